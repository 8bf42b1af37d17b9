// One layer of the volume pass, one ray an invocation: the ray of a pixel and the samples along it. Positions are x, y, z in samples,
// values are as the texture holds them: integers over their largest value. The mode's file and volume_march.comp follow.
//
// NEAREST, EXACT or neither: which filter; SLAB: only a slab is drawn; FOLDED: the volume is cut into segments; SKIP: spans are
// looked up to pass over what does not matter; DEPTH: other layers may hide this one.
layout(local_size_x = 8, local_size_y = 8) in;

layout(binding = 0) uniform sampler3D samples;
// Least and greatest value in and about blocks of 8 samples along each side at level 0, of 32 at level 2 (occupancy.rs).
layout(binding = 1) uniform sampler3D spans;
layout(r32f, binding = 1) uniform image2D depths;

uniform ivec2 drawn;
// Linear in the pixel: of the one at the bottom left, change to the right, change up.
uniform vec3 origin[3];
uniform vec3 direction[3];
uniform float near;
uniform vec3 len;
uniform float sample_step;
uniform vec3 inverse_size;
// The largest integer of the format, 1 of floats.
uniform float scale;
// Of the depth that layers are compared by: at 0, 0, 0 and its change; then offset, factor and its ends in the buffer.
uniform vec4 view_depth;
uniform vec4 depth_buffer;
uniform bool perspective;
#ifdef SKIP
// Samples that a block's span is good for if the middle of what they look at lies in it, and how far that is from the first of them;
// of a block of 8, of one of 32.
uniform ivec2 stretches;
uniform vec2 middles;
#endif
#ifdef SLAB
uniform vec3 slab_position;
uniform vec3 slab_normal;
uniform int slab_steps;
#endif
#ifdef FOLDED
uniform ivec3 segment;
uniform ivec3 segments;
uniform ivec2 fold;
uniform ivec3 pitch;
#endif

// Sample k is taken at `front + k * stride`, k < count; `ahead` is the unit vector along the ray.
vec3 front;
vec3 stride;
vec3 ahead;
int count;
// Where the volume is entered.
vec3 entrance;

#ifdef FOLDED
// From samples to texels: by how much those about the sample `at` are moved.
ivec3 moved(ivec3 at) {
    ivec3 s = at / segment;
    int i = s.x + segments.x * (s.y + segments.y * s.z);
    return ivec3(i % fold.x, i / fold.x % fold.y, i / (fold.x * fold.y)) * pitch - s * segment;
}
#endif

float nearest(vec3 u) {
    ivec3 at = clamp(ivec3(floor(u + 0.5)), ivec3(0), ivec3(len) - 1);
#ifdef FOLDED
    at += moved(at);
#endif
    return texelFetch(samples, at, 0).r;
}

float mixed(float a, float b, float weight) {
    return a + (b - a) * weight;
}

// Filtered with weights of full precision; what has no weight is not looked at, so that it may be no number.
float exactly(vec3 u) {
    vec3 at = clamp(u, vec3(0.0), len - 1.0);
    ivec3 a = ivec3(at);
    vec3 w = at - vec3(a);
    ivec3 b = a + ivec3(greaterThan(w, vec3(0.0)));
#ifdef FOLDED
    ivec3 by = moved(a);
    a += by;
    b += by;
#endif
    vec4 v = vec4(texelFetch(samples, a, 0).r, texelFetch(samples, ivec3(a.x, b.y, a.z), 0).r,
                  texelFetch(samples, ivec3(a.xy, b.z), 0).r, texelFetch(samples, ivec3(a.x, b.yz), 0).r);
    if (b.x != a.x) {
        v.x = mixed(v.x, texelFetch(samples, ivec3(b.x, a.yz), 0).r, w.x);
        v.y = mixed(v.y, texelFetch(samples, ivec3(b.xy, a.z), 0).r, w.x);
        v.z = mixed(v.z, texelFetch(samples, ivec3(b.x, a.y, b.z), 0).r, w.x);
        v.w = mixed(v.w, texelFetch(samples, b, 0).r, w.x);
    }
    if (b.y != a.y) v.xz = vec2(mixed(v.x, v.y, w.y), mixed(v.z, v.w, w.y));
    return b.z != a.z ? mixed(v.x, v.z, w.z) : v.x;
}

float at_position(vec3 u) {
#if defined(NEAREST)
    return nearest(u);
#elif defined(EXACT)
    return exactly(u);
#elif defined(FOLDED)
    vec3 at = clamp(u, vec3(0.0), len - 1.0);
    return textureLod(samples, (at + vec3(moved(ivec3(at))) + 0.5) * inverse_size, 0.0).r;
#else
    return textureLod(samples, (u + 0.5) * inverse_size, 0.0).r;
#endif
}

vec3 position(float k) {
    return front + k * stride;
}

float value(float k) {
    return at_position(position(k));
}

// The ray of a pixel; false if it takes no sample.
bool enters(vec2 pixel) {
    vec3 o = origin[0] + pixel.x * origin[1] + pixel.y * origin[2];
    vec3 d = direction[0] + pixel.x * direction[1] + pixel.y * direction[2];
    // No component is 0, so that no quotient is.
    d = mix(d, vec3(1e-20), lessThan(abs(d), vec3(1e-20)));
    vec3 a = (-0.5 - o) / d, b = (len - 0.5 - o) / d;
    vec3 entries = min(a, b), exits = max(a, b);
    float enter = max(max(entries.x, entries.y), max(entries.z, near));
    float leave = min(min(exits.x, exits.y), exits.z);
    if (!(leave > enter)) return false;
    float speed = length(d);
    ahead = d / speed;
    entrance = o + enter * d;
#ifdef SLAB
    vec3 crossing = o + dot(slab_position - o, slab_normal) / dot(d, slab_normal) * d;
    // Also false of what is no number.
    if (!(all(greaterThanEqual(crossing, vec3(-0.5))) && all(lessThanEqual(crossing, len - 0.5)))) return false;
    entrance = crossing;
    count = slab_steps;
    stride = slab_normal;
    front = crossing - stride * (float(count) / 2.0);
#else
    count = int((leave - enter) * speed / sample_step + 0.5);
    if (count < 1) return false;
    stride = (leave - enter) / float(count) * d;
    front = entrance;
#endif
    return count > 0;
}
