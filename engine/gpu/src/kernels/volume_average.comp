// average.
float sum;
float n;

void begin() {
    sum = 0.0;
    n = 0.0;
}

bool dull(vec2 span) {
    return span.x >= span.y;
}

// All of one value; or of none, where `lo > hi`.
void pass_over(vec2 span, int passed) {
    if (span.x > span.y) return;
    sum += span.x * float(passed);
    n += float(passed);
}

bool take(int k, float v) {
    if (!isnan(v)) {
        sum += v;
        n += 1.0;
    }
    return false;
}

bool finish(out vec4 color, out vec3 at) {
    at = entrance;
    color = colors[n > 0.0 ? entry(sum / n * scale) : bins + 2u];
    return true;
}
