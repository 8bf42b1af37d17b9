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
ivec3 block_of(int k) {
    return ivec3(floor(position(float(k)))) >> 3;
}

vec2 span_of(ivec3 block, int level) {
    return texelFetch(spans, clamp(block, ivec3(0), (ivec3(len) - 1) >> (3 + level)), level).rg;
}

void march() {
    vec3 by = mix(stride, vec3(1e-20), lessThan(abs(stride), vec3(1e-20)));
    vec3 inverse = 1.0 / by;
    vec3 far = vec3(greaterThan(by, vec3(0.0)));
#ifdef SEARCHED_BACK
    // Taking a sample looks at the step that leads to it: only where that step lies in blocks of nothing may it be left out.
    bool after_nothing = false;
#endif
    int large_end = 0;
    int k = 0;
    while (k < count) {
        ivec3 block = block_of(k);
        bool nothing = false;
        vec2 span;
        int end;
        if (k >= large_end) {
            ivec3 large = block >> 2;
            vec3 exits = ((vec3(large) + far) * 32.0 - front) * inverse;
            large_end = max(k + 1, int(ceil(min(min(exits.x, exits.y), min(exits.z, float(count))))));
            end = large_end;
            span = span_of(large, 2);
            nothing = dull(span);
        }
        if (!nothing) {
            vec3 exits = ((vec3(block) + far) * 8.0 - front) * inverse;
            end = max(k + 1, int(ceil(min(min(exits.x, exits.y), min(exits.z, float(large_end))))));
            span = span_of(block, 0);
            nothing = dull(span);
        }
        if (nothing) {
#ifdef SEARCHED_BACK
            ivec3 apart = abs(block - block_of(k - 1));
            if (!(after_nothing && apart.x + apart.y + apart.z <= 1) && take(k, value(float(k)))) return;
#endif
            pass_over(span, end - k);
            k = end;
        } else if (take_until(k, end)) {
            return;
        }
#ifdef SEARCHED_BACK
        after_nothing = nothing;
#endif
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
