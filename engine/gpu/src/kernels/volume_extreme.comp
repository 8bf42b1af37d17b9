// mip; with MINIP its mirror image.
#ifdef MINIP
const float SIGN = -1.0;
#else
const float SIGN = 1.0;
#endif

// What a value has to exceed, and where the search ends; mirrored. What is better by less than `tolerance` is not sought.
uniform float start;
uniform float ceiling;
uniform float tolerance;

float best;
int best_at;

void begin() {
    best = start;
    best_at = -1;
}

bool dull(vec2 span) {
#ifdef MINIP
    float most = -span.x;
#else
    float most = span.y;
#endif
    return most <= (best_at < 0 ? best : best + tolerance);
}

void pass_over(vec2 span, int n) {}

bool take(int k, float v) {
    float s = SIGN * v;
    if (s > best) {
        best = s;
        best_at = k;
        return best >= ceiling;
    }
    return false;
}

bool finish(out vec4 color, out vec3 at) {
    at = position(float(best_at) - 0.5);
    if (best_at < 0) return false;
    vec3 from = at;
    for (int i = 0; i < 10; i++) {
        vec3 u = from + 0.1 * float(i) * stride;
        float s = SIGN * at_position(u);
        if (s > best) {
            best = s;
            at = u;
        }
    }
    at += 0.5;
    color = colors[entry(SIGN * best * scale)];
    return true;
}
