// Labels: the first tenth of a step whose label has a colour; LIT from the eye.
bool found;
vec3 hit;
vec4 seen;

void begin() {
    found = false;
}

bool dull(vec2 span) {
    return span.y <= 0.0;
}

void pass_over(vec2 span, int n) {}

uint key(float v) {
    return uint(v * scale + 0.5);
}

bool take(int k, float v) {
    if (key(v) == 0u) return false;
    vec3 from = position(float(k - 1));
    for (int i = 0; i < 10; i++) {
        vec3 u = from + 0.1 * float(i) * stride;
        vec4 color = colors[key(nearest(u)) + 1u];
        if (color.a > 0.0) {
            found = true;
            hit = u;
            seen = color;
            return true;
        }
    }
    return false;
}

// 0 beyond the ends of the axis along which it is looked at.
float label(vec3 u, int axis) {
    return u[axis] >= -0.5 && u[axis] <= len[axis] - 0.5 ? float(key(nearest(u))) : 0.0;
}

bool finish(out vec4 color, out vec3 at) {
    at = hit + 0.5;
    color = seen;
    if (!found) return false;
#ifdef LIT
    float here = float(key(nearest(hit)));
    vec3 slope;
    for (int i = 0; i < 3; i++) {
        vec3 aside = vec3(0.0);
        aside[i] = 1.5;
        float a = label(hit - aside, i), b = label(hit + aside, i);
        slope[i] = b - a + (a == 0.0 && b == 0.0 ? -2.0 * here : 0.0);
    }
    float steepness = length(slope);
    float lambert = steepness > 0.0 ? abs(dot(slope, ahead)) / steepness : 0.0;
    color.rgb = min(color.rgb * (0.2 + lambert), 1.0);
#endif
    return true;
}
