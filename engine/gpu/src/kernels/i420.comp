// RGBA to planar 4:2:0, one word (four neighbouring bytes of the planes, which lie one behind the other) an invocation. Integer
// arithmetic as in convert, so the same bits.
layout(local_size_x = 128) in;

layout(rgba8ui, binding = 0) readonly uniform uimage2D picture;
layout(std430, binding = 0) writeonly buffer Words { uint words[]; };

uniform uvec2 size;
uniform ivec3 luma;
uniform ivec3 chroma_u;
uniform ivec3 chroma_v;
uniform int black;
// Words that a row of work groups fills.
uniform uint row_words;

const int FRACTION = 15;

ivec3 rgb(uvec2 at) { return ivec3(imageLoad(picture, ivec2(at)).rgb); }

int dot3(ivec3 k, ivec3 c) { return k.x * c.x + k.y * c.y + k.z * c.z; }

uint byte_at(uint i) {
    uint y_bytes = size.x * size.y;
    if (i < y_bytes) {
        int y = dot3(luma, rgb(uvec2(i % size.x, i / size.x))) + (black << FRACTION) + (1 << (FRACTION - 1));
        return uint(clamp(y >> FRACTION, 0, 255));
    }
    i -= y_bytes;
    bool first = i < y_bytes / 4u;
    if (!first) i -= y_bytes / 4u;
    if (i >= y_bytes / 4u) return 0u;
    uvec2 at = 2u * uvec2(i % (size.x / 2u), i / (size.x / 2u));
    ivec3 sum = rgb(at) + rgb(at + uvec2(1u, 0u)) + rgb(at + uvec2(0u, 1u)) + rgb(at + uvec2(1u, 1u));
    int c = dot3(first ? chroma_u : chroma_v, sum) + (128 << (FRACTION + 2)) + (1 << (FRACTION + 1));
    return uint(clamp(c >> (FRACTION + 2), 0, 255));
}

void main() {
    uint word = gl_GlobalInvocationID.y * row_words + gl_GlobalInvocationID.x;
    if (word >= words.length()) return;
    uint i = 4u * word;
    words[word] = byte_at(i) | byte_at(i + 1u) << 8 | byte_at(i + 2u) << 16 | byte_at(i + 3u) << 24;
}
