//! Front to back along a packet, past what does not matter.

use super::super::lanes::Lanes;
use super::super::packet::{Packet, Spans};
use super::super::regions::Regions;
use super::Pace;
use nc_core::data::Span;

/// What a mode does with the samples of a packet.
pub(super) trait Steps<L: Lanes> {
    /// Samples before a span whose values matter to it.
    const LEAD: i32;

    /// Whether nothing but what is accounted for here comes of samples `a` to `b`, whose values lie within `span`.
    fn passes(&mut self, l: L, packet: &Packet<L>, span: Span, a: i32, b: i32) -> bool;

    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32);

    /// Whether no further sample matters.
    fn done(&self, l: L) -> bool;
}

/// All samples of the packet in order.
#[inline(always)]
pub(super) fn walk<L: Lanes, T: Steps<L>>(l: L, packet: &Packet<L>, regions: &Regions, pace: &mut Pace, steps: &mut T) {
    let spans = if pace.skips() { packet.spans(l) } else { None };
    match spans {
        Some(spans) if spans.samples(0) > T::LEAD => {
            let sampled = walk_spans(l, packet, regions, &spans, steps);
            pace.note(sampled, packet.count);
        }
        _ => {
            let mut k = 0;
            while k < packet.count && !steps.done(l) {
                steps.sample(l, packet, k);
                k += 1;
            }
        }
    }
}

/// The last sample of a span from `a` on.
#[inline(always)]
fn span_end(spans: &Spans, level: usize, lead: i32, a: i32, limit: i32) -> i32 {
    a.saturating_add(spans.samples(level) - 1 - lead).min(limit)
}

#[inline(always)]
fn walk_spans<L: Lanes, T: Steps<L>>(l: L, packet: &Packet<L>, regions: &Regions, spans: &Spans, steps: &mut T) -> i32 {
    let lead = T::LEAD;
    let last = packet.count - 1;
    let (mut k, mut sampled) = (0, 0);
    // Regions say nothing of what lies before the first sample.
    while k < lead {
        steps.sample(l, packet, k);
        k += 1;
    }
    let levels = [spans.serves(0), spans.samples(1) > lead && spans.serves(1), spans.samples(2) > lead && spans.serves(2)];
    while k <= last {
        let e16 = span_end(spans, 0, lead, k, last);
        if levels[0] && steps.passes(l, packet, spans.span(regions, 0, k - lead, e16), k, e16) {
            k = e16 + 1;
            continue;
        }
        while k <= e16 {
            let e8 = if levels[1] { span_end(spans, 1, lead, k, e16) } else { e16 };
            if levels[1] && steps.passes(l, packet, spans.span(regions, 1, k - lead, e8), k, e8) {
                k = e8 + 1;
                continue;
            }
            while k <= e8 {
                let e4 = if levels[2] { span_end(spans, 2, lead, k, e8) } else { e8 };
                if levels[2] && steps.passes(l, packet, spans.span(regions, 2, k - lead, e4), k, e4) {
                    k = e4 + 1;
                    continue;
                }
                sampled += e4 - k + 1;
                while k <= e4 {
                    steps.sample(l, packet, k);
                    k += 1;
                }
                if steps.done(l) {
                    return sampled;
                }
            }
        }
    }
    sampled
}
