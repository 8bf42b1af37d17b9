// The same everywhere. A clear through a framebuffer would go through the few units that draw triangles.
layout(local_size_x = 16, local_size_y = 8) in;

#ifdef DEPTHS
layout(r32f, binding = 1) writeonly uniform image2D target;
uniform float far;
#define VALUE vec4(far)
#else
layout(rgba8ui, binding = 0) writeonly uniform uimage2D target;
#define VALUE uvec4(0, 0, 0, 255)
#endif

void main() {
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (all(lessThan(at, imageSize(target)))) imageStore(target, at, VALUE);
}
