// Along the ray, block by block, and into the picture.

// Takes the samples up to `end`, four at a time, so that their fetches overlap. True once the mode has seen enough.
bool take_until(inout int k, int end) {
    for (; k + 4 <= end; k += 4) {
        float a = value(float(k)), b = value(float(k + 1)), c = value(float(k + 2)), d = value(float(k + 3));
        if (take(k, a) || take(k + 1, b) || take(k + 2, c) || take(k + 3, d)) return true;
    }
    for (; k < end; k++) {
        if (take(k, value(float(k)))) return true;
    }
    return false;
}

#ifdef SKIP
// The span of all values that samples about `k`, as far apart as the level is for, can take.
vec2 span_about(float k, int level) {
    ivec3 block = ivec3(floor(position(k))) >> (3 + level);
    return texelFetch(spans, clamp(block, ivec3(0), (ivec3(len) - 1) >> (3 + level)), level).rg;
}

// By stretches of samples, and long ones of several. All rays are at the same sample at the same time, so that those side by side
// take turns at nothing.
void march() {
    int k = 0;
    while (k < count) {
        vec2 span = span_about(float(k) + middles.y, 2);
        int long_end = min(k + stretches.y, count);
        if (dull(span)) {
            pass_over(span, long_end - k);
            k = long_end;
        }
        while (k < long_end) {
            span = span_about(float(k) + middles.x, 0);
            int end = min(k + stretches.x, long_end);
            if (dull(span)) {
                pass_over(span, end - k);
                k = end;
            } else if (take_until(k, end)) {
                return;
            }
        }
    }
}
#else
void march() {
    int k = 0;
    take_until(k, count);
}
#endif

#ifdef DEPTH
// Whether nothing that was drawn is nearer; if so, this is the nearest now. A depth buffer of 24 bits decides as well.
bool nearest_yet(ivec2 pixel, vec3 at) {
    float depth = view_depth.x + dot(view_depth.yzw, at);
    float held = depth_buffer.x + (perspective ? depth_buffer.y / depth : depth_buffer.y * depth);
    held = clamp(floor(held + 0.5), depth_buffer.z, depth_buffer.w);
    if (held > imageLoad(depths, pixel).r) return false;
    imageStore(depths, pixel, vec4(held));
    return true;
}
#endif

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, drawn)) || !enters(vec2(pixel))) return;
    begin();
    march();
    vec4 color;
    vec3 at;
    if (!finish(color, at)) return;
#ifdef DEPTH
    if (!nearest_yet(pixel, at)) return;
#endif
    blend(pixel, color);
}
