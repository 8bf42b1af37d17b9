// attenuated_mip.
uniform float start;
uniform float attenuation;
// lo, hi, 1 / (hi - lo), as the texture holds values.
uniform vec3 window;

float best;
int best_at;
float sum;

void begin() {
    best = start;
    best_at = -1;
    sum = 0.0;
}

float weakening() {
    return exp(-attenuation * (sum - 1.0));
}

// Below the window nothing is added up, so the weakening stays.
bool dull(vec2 span) {
    return span.y <= window.x && span.y * weakening() <= best;
}

void pass_over(vec2 span, int n) {}

bool take(int k, float v) {
    if (isnan(v)) return false;
    sum += sample_step * clamp((v - window.x) * window.z, 0.0, 1.0);
    float weak = weakening();
    if (best > weak * window.y) return true;
    if (v * weak > best) {
        best = v * weak;
        best_at = k;
    }
    return false;
}

bool finish(out vec4 color, out vec3 at) {
    at = position(float(best_at)) + 0.5;
    color = colors[entry(best * scale)];
    return best_at >= 0;
}
