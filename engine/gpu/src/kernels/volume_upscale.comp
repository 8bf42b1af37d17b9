// A smaller picture scaled up into the picture, bilinearly.
layout(local_size_x = 16, local_size_y = 8) in;

layout(rgba8ui, binding = 0) writeonly uniform uimage2D picture;
layout(rgba8ui, binding = 1) readonly uniform uimage2D drawn;

// Pixels along each side for one that was drawn.
uniform float divisor;

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, imageSize(picture)))) return;
    ivec2 last = imageSize(drawn) - 1;
    vec2 at = clamp((vec2(pixel) + 0.5) / divisor - 0.5, vec2(0.0), vec2(last));
    ivec2 a = ivec2(at), b = min(a + 1, last);
    vec2 w = at - vec2(a);
    vec4 below = mix(vec4(imageLoad(drawn, a)), vec4(imageLoad(drawn, ivec2(b.x, a.y))), w.x);
    vec4 above = mix(vec4(imageLoad(drawn, ivec2(a.x, b.y))), vec4(imageLoad(drawn, b)), w.x);
    imageStore(picture, pixel, uvec4(mix(below, above, w.y) + 0.5));
}
