// iso: the first tenth of a step whose value exceeds the threshold, lit from the eye.
// The threshold, what a sample must exceed for the step that leads to it to be searched, and how far off a value of the hardware's
// filter may be.
uniform vec3 threshold;

bool found;
vec3 hit;

void begin() {
    found = false;
}

bool dull(vec2 span) {
    return span.y <= threshold.x;
}

void pass_over(vec2 span, int n) {}

float precisely(vec3 u) {
#ifdef NEAREST
    return nearest(u);
#else
    return exactly(u);
#endif
}

bool take(int k, float v) {
    if (!(v > threshold.y)) return false;
    vec3 from = position(float(k - 1));
    for (int i = 0; i < 10; i++) {
        vec3 u = from + 0.1 * float(i) * stride;
        if (at_position(u) > threshold.x - threshold.z && precisely(u) > threshold.x) {
            found = true;
            hit = u;
            return true;
        }
    }
    return false;
}

bool finish(out vec4 color, out vec3 at) {
    at = hit + 0.5;
    if (!found) return false;
    float most = precisely(hit);
    vec3 slope;
    for (int i = 0; i < 3; i++) {
        vec3 aside = vec3(0.0);
        aside[i] = 1.5;
        float a = precisely(hit - aside), b = precisely(hit + aside);
        slope[i] = a - b;
        most = max(most, max(a, b));
    }
    float steepness = length(slope);
    float lambert = steepness > 0.0 ? abs(dot(slope, ahead)) / steepness : 0.0;
    color = colors[entry((most * (0.2 + lambert) + pow(lambert, 40.0)) * scale)];
    return true;
}
