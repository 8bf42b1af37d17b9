// translucent.
vec4 sum;

void begin() {
    sum = vec4(0.0);
}

bool dull(vec2 span) {
    return false;
}

void pass_over(vec2 span, int n) {}

bool take(int k, float v) {
    if (isnan(v)) return false;
    vec4 color = colors[entry(v * scale)];
    float behind = color.a * (1.0 - sum.a);
    float alpha = max(sum.a + behind, 0.001);
    sum.rgb = (sum.rgb * sum.a + color.rgb * behind) / alpha;
    sum.a = alpha;
    return alpha > 0.99;
}

bool finish(out vec4 color, out vec3 at) {
    at = entrance;
    color = sum;
    return true;
}
