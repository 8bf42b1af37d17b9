// One layer of the slice pass, one pixel an invocation. The host has worked out what every column and row of the layer reads
// (taps.rs), which tiles are resident (the pages) and what values mean (transfer.rs); the arithmetic here is the cpu device's, in the
// same order. `precise` forbids fusing it. NEAREST, LINEAR, CUBIC or, of labels, CONTOUR says how samples become a value.
layout(local_size_x = 16, local_size_y = 8) in;

layout(binding = 0) uniform usampler2DArray sheets_u8;
layout(binding = 1) uniform usampler2DArray sheets_u16;
layout(binding = 2) uniform sampler2DArray sheets_f32;

// As taps.rs says.
struct Tap { uint first; uint last; uint at; float weights[4]; };
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
// Of a contour.
uniform uint reach;

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

// A plane's pages at the corners of what a pixel reads: two tiles along each axis at most.
struct Corners { uint page, right, above, diagonal; uint second_y; uint second_x; };

float sample_at(Corners corners, uint y, uint x) {
    bool right = x / TILE == corners.second_x;
    uint page = y / TILE == corners.second_y ? (right ? corners.diagonal : corners.above) : (right ? corners.right : corners.page);
    return fetch(page, y, x);
}

#if defined(NEAREST)
float sampled(Corners corners, Tap y, Tap x) {
    return sample_at(corners, y.at, x.at);
}
#elif defined(LINEAR)
float sampled(Corners corners, Tap y, Tap x) {
    float value = fetch(corners.page, y.first, x.first);
    if (y.first != y.last) value = mixed(value, fetch(corners.above, y.last, x.first), y.weights[1]);
    if (x.first == x.last) return value;
    float right = fetch(corners.right, y.first, x.last);
    if (y.first != y.last) right = mixed(right, fetch(corners.diagonal, y.last, x.last), y.weights[1]);
    return mixed(value, right, x.weights[1]);
}
#elif defined(CUBIC)
float sampled(Corners corners, Tap y, Tap x) {
    precise float sum = 0.0;
    for (uint i = 0u; i <= x.last - x.first; i++) {
        precise float column = sample_at(corners, y.first, x.first + i) * y.weights[0];
        for (uint k = 1u; k <= y.last - y.first; k++) {
            column = column + sample_at(corners, y.first + k, x.first + i) * y.weights[k];
        }
        sum = i == 0u ? column * x.weights[0] : sum + column * x.weights[i];
    }
    return sum;
}
#else
float sampled(Corners corners, Tap y, Tap x) {
    float key = sample_at(corners, y.at, x.at);
    for (uint row = y.first; row <= y.last; row++) {
        uint away = row > y.at ? row - y.at : y.at - row;
        uint across = reach - away;
        uint left = max(x.first, x.at - min(x.at, across)), right = min(x.last, x.at + across);
        for (uint column = left; column <= right; column++) {
            float other = sample_at(corners, row, column);
            bool beside = away + (column > x.at ? column - x.at : x.at - column) <= 1u;
            if (other < key || (beside && other > key)) return key;
        }
    }
    return 0.0;
}
#endif

bool filtered(Plane plane, Tap y, Tap x, out float value) {
    Corners corners;
    corners.page = page_of(plane, y.first, x.first);
    corners.right = page_of(plane, y.first, x.last);
    corners.above = page_of(plane, y.last, x.first);
    corners.diagonal = page_of(plane, y.last, x.last);
    if (max(max(corners.page, corners.right), max(corners.above, corners.diagonal)) == MISSING) return false;
    corners.second_y = y.last / TILE;
    corners.second_x = x.last / TILE;
    value = sampled(corners, y, x);
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
