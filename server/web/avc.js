// Bytes of the pixel channel: the 24-byte header, H.264 access units with 4-byte lengths, and the decoder configuration record.
// Pure functions. Knows nothing of sockets, decoders or the page.

export const HEADER_BYTES = 24;

const CODEC_H264 = 1;
const FLAG_KEYFRAME = 1;
const FLAG_FLIP = 2;
const NAL_SPS = 7;
const NAL_PPS = 8;

/**
 * Reads a message of the pixel channel.
 * @param {ArrayBuffer} message
 * @returns {{seq: number, timestamp: number, width: number, height: number, keyframe: boolean, flip: boolean,
 *   accessUnit: Uint8Array} | null} null where the message is too short or not H.264. `timestamp` is the server's wall clock
 *   in seconds. `flip` says that row 0 belongs at the bottom of the screen.
 */
export function parsePacket(message) {
  if (message.byteLength <= HEADER_BYTES) return null;
  const header = new DataView(message, 0, HEADER_BYTES);
  if (header.getUint8(20) !== CODEC_H264) return null;
  const flags = header.getUint8(21);
  return {
    seq: header.getUint32(0),
    timestamp: header.getFloat64(4),
    width: header.getUint32(12),
    height: header.getUint32(16),
    keyframe: (flags & FLAG_KEYFRAME) !== 0,
    flip: (flags & FLAG_FLIP) !== 0,
    accessUnit: new Uint8Array(message, HEADER_BYTES),
  };
}

/** The NAL units of an access unit; stops at a length that points past the end. */
export function* nalUnits(accessUnit) {
  const view = new DataView(accessUnit.buffer, accessUnit.byteOffset, accessUnit.byteLength);
  for (let at = 0; at + 4 < accessUnit.byteLength; ) {
    const length = view.getUint32(at);
    const end = at + 4 + length;
    if (length === 0 || end > accessUnit.byteLength) return;
    yield accessUnit.subarray(at + 4, end);
    at = end;
  }
}

/**
 * Builds the configuration record from the parameter sets that a keyframe carries in band.
 * @returns {Uint8Array | null} null where the access unit lacks an SPS or a PPS.
 */
export function configurationRecord(accessUnit) {
  let sps = null;
  let pps = null;
  for (const nal of nalUnits(accessUnit)) {
    const type = nal[0] & 0x1f;
    if (type === NAL_SPS && nal.length >= 4) sps ??= nal;
    else if (type === NAL_PPS) pps ??= nal;
    if (sps && pps) break;
  }
  if (!sps || !pps) return null;
  return Uint8Array.from([
    1, sps[1], sps[2], sps[3], 0xff,
    0xe1, sps.length >> 8, sps.length & 0xff, ...sps,
    1, pps.length >> 8, pps.length & 0xff, ...pps,
  ]);
}

/** The codec string with the true profile, compatibility flags and level, such as `avc1.42C028`. */
export function codecString(record) {
  const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
  return `avc1.${hex(record[1])}${hex(record[2])}${hex(record[3])}`;
}

/** Whether two byte arrays hold the same bytes. */
export function sameBytes(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
