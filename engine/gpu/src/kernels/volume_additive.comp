// additive.
// lo, hi, 1 / (hi - lo), as the texture holds values.
uniform vec3 window;

// Part of each component that is still to come.
vec4 rest;

void begin() {
    rest = vec4(1.0);
}

// All of one colour.
bool dull(vec2 span) {
    return span.y <= window.x || span.x >= window.y;
}

void pass_over(vec2 span, int n) {
    rest *= pow(1.0 - colors[span.y <= window.x ? 0u : bins + 1u], vec4(n));
}

bool take(int k, float v) {
    if (!isnan(v)) rest *= 1.0 - colors[entry(v * scale)];
    // What could still be added rounds to nothing.
    return all(lessThan(rest, vec4(1.0 / 4096.0)));
}

bool finish(out vec4 color, out vec3 at) {
    at = entrance;
    color = 1.0 - rest;
    return true;
}
