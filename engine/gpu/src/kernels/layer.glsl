// What every kernel that draws a layer shares: from value to colour as transfer.rs says, and from colour to picture as
// compositing.rs says.
layout(rgba8ui, binding = 0) uniform uimage2D picture;

// Straight RGBA by entry: low, the bins, high, not a number.
layout(std430, binding = 4) readonly buffer Colors { vec4 colors[]; };

uniform uint rule;
uniform float opacity;
// lo, hi, 1 / (hi - lo).
uniform vec3 limits;
uniform uint roots;
uniform uint bins;

// Rule::*, in order.
const uint FIRST = 0u;
const uint FIRST_PLAIN = 1u;
const uint REPLACE = 2u;
const uint OVER = 3u;
const uint ADD = 4u;
const uint MINIMUM = 5u;

uint entry(float v) {
    if ((floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u) return bins + 2u;
    float c = clamp(v, limits.x, limits.y);
    if (c == limits.x) return 0u;
    if (c >= limits.y) return bins + 1u;
    precise float s = (c - limits.x) * limits.z;
    for (uint i = 0u; i < roots; i++) s = sqrt(s);
    precise float bin = s * float(bins) + 1.0;
    return min(uint(bin), bins + 1u);
}

void blend(ivec2 pixel, vec4 color) {
    vec3 s = color.rgb;
    float a = color.a * opacity;
    vec4 joined;
    if (rule == FIRST) joined = vec4(s * a, 1.0);
    else if (rule == FIRST_PLAIN) joined = vec4(s, 1.0);
    else if (rule == REPLACE) joined = vec4(s, a);
    else {
        vec4 below = vec4(imageLoad(picture, pixel)) / 255.0;
        vec3 D = below.rgb;
        float d = below.a;
        if (rule == OVER) joined = vec4(s * a + D * (1.0 - a), a + d);
        else if (rule == ADD) joined = vec4(s * a + D * d, a + d);
        else if (rule == MINIMUM) joined = min(vec4(s, a), below);
        else joined = vec4(s * D, a + d);
    }
    imageStore(picture, pixel, uvec4(clamp(joined, 0.0, 1.0) * 255.0 + 0.5));
}
