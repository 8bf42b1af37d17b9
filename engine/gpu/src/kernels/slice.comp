// One layer of the slice pass, one pixel an invocation. The host has worked out what every column and row of the layer reads
// (taps.rs), which tiles are resident (the pages) and what values mean (transfer.rs); the arithmetic here is the cpu device's, in the
// same order. `precise` forbids fusing it.
layout(local_size_x = 16, local_size_y = 8) in;

layout(binding = 0) uniform usampler2DArray sheets_u8;
layout(binding = 1) uniform usampler2DArray sheets_u16;
layout(binding = 2) uniform sampler2DArray sheets_f32;

struct Tap { uint first; uint second; float weight; };
struct Plane { uint pages; uint stride; uint tile_x; uint tile_y; };

// Taps of the covered columns and rows, plane by plane.
layout(std430, binding = 0) readonly buffer Columns { Tap columns[]; };
layout(std430, binding = 1) readonly buffer Rows { Tap rows[]; };
layout(std430, binding = 2) readonly buffer Planes { Plane planes[]; };
// Of every tile in a plane's visible box: its format in the upper four bits and its slot, or MISSING.
layout(std430, binding = 3) readonly buffer Pages { uint pages[]; };

// Covered pixels: left, bottom, width, height.
uniform uvec4 covered;
uniform uint plane_count;

const uint TILE = 256u;
const uint MISSING = 0xffffffffu;
const uint FORMAT_U8 = 0u;
const uint FORMAT_U16 = 1u;

uint page_of(Plane plane, uint y, uint x) {
    return pages[plane.pages + (y / TILE - plane.tile_y) * plane.stride + x / TILE - plane.tile_x];
}

// A sheet holds four by four tiles.
float fetch(uint page, uint y, uint x) {
    uint format = page >> 28, slot = page & 0x0fffffffu;
    ivec3 at = ivec3((slot & 3u) * TILE + x % TILE, (slot >> 2 & 3u) * TILE + y % TILE, slot >> 4);
    if (format == FORMAT_U8) return float(texelFetch(sheets_u8, at, 0).r);
    if (format == FORMAT_U16) return float(texelFetch(sheets_u16, at, 0).r);
    return texelFetch(sheets_f32, at, 0).r;
}

float mixed(float a, float b, float weight) {
    precise float sum = a + (b - a) * weight;
    return sum;
}

// The value at column `x` between the two rows of `y`.
float between_rows(uint lower, uint upper, Tap y, uint x) {
    float a = fetch(lower, y.first, x);
    return y.first == y.second ? a : mixed(a, fetch(upper, y.second, x), y.weight);
}

bool filtered(Plane plane, Tap y, Tap x, out float value) {
    uint a = page_of(plane, y.first, x.first);
    uint b = page_of(plane, y.first, x.second);
    uint c = page_of(plane, y.second, x.first);
    uint d = page_of(plane, y.second, x.second);
    if (a == MISSING || b == MISSING || c == MISSING || d == MISSING) return false;
    value = between_rows(a, c, y, x.first);
    if (x.first != x.second) value = mixed(value, between_rows(b, d, y, x.second), x.weight);
    return true;
}

void main() {
    uvec2 at = gl_GlobalInvocationID.xy;
    if (at.x >= covered.z || at.y >= covered.w) return;
    float value;
    bool found = false;
    for (uint p = 0u; p < plane_count && !found; p++) {
        found = filtered(planes[p], rows[p * covered.w + at.y], columns[p * covered.z + at.x], value);
    }
    if (!found) return;

    blend(ivec2(covered.xy + at), colors[entry(value)]);
}
