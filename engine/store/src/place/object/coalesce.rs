//! Which spans of an object are asked for together. Pure.

use super::super::Span;
use std::ops::Range;

/// Bytes that a request of several spans may have.
const MOST_TOGETHER: u64 = 8 << 20;

/// What to ask for, and what to cut from the answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// One request each.
    pub(super) requests: Vec<Span>,
    /// One per span that was wanted, in their order.
    pub(super) slices: Vec<Slice>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// Whose answer.
    pub(super) request: usize,
    /// Which part of it; `None` for all.
    pub(super) part: Option<Range<usize>>,
}

/// Ranges with at most `gap` bytes between them become one request, as long as that stays small.
pub(super) fn plan(spans: &[Span], gap: u64) -> Plan {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    // Ranges by where they begin, then the others, equal ones side by side.
    order.sort_by_key(|&index| match &spans[index] {
        Span::Range(range) => (0, range.start, range.end),
        Span::Last(n) => (1, *n, 0),
        Span::Whole => (2, 0, 0),
    });
    let mut requests: Vec<Span> = Vec::new();
    let mut slices = vec![Slice { request: 0, part: None }; spans.len()];
    for index in order {
        let span = &spans[index];
        let joins = match (requests.last_mut(), span) {
            (Some(Span::Range(open)), Span::Range(range)) => {
                let end = open.end.max(range.end);
                let inside = end == open.end;
                let near = range.start <= open.end.saturating_add(gap) && end - open.start <= MOST_TOGETHER;
                if near {
                    open.end = end;
                }
                inside || near
            }
            (Some(last), span) => last == span,
            (None, _) => false,
        };
        if !joins {
            requests.push(span.clone());
        }
        let request = requests.len() - 1;
        let part = match (&requests[request], span) {
            (Span::Range(open), Span::Range(range)) => {
                Some((range.start - open.start) as usize..(range.end - open.start) as usize)
            }
            _ => None,
        };
        slices[index] = Slice { request, part };
    }
    Plan { requests, slices }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_are_asked_for_together() {
        let spans = [Span::Range(100..200), Span::Last(4), Span::Range(0..50), Span::Range(1000..1010), Span::Whole, Span::Whole];
        let plan = plan(&spans, 64);
        let requests = [Span::Range(0..200), Span::Range(1000..1010), Span::Last(4), Span::Whole];
        assert_eq!(plan.requests, requests);
        let parts: Vec<_> = plan.slices.iter().map(|slice| (slice.request, slice.part.clone())).collect();
        let expected = [(0, Some(100..200)), (2, None), (0, Some(0..50)), (1, Some(0..10)), (3, None), (3, None)];
        assert_eq!(parts, expected);
    }

    fn span() -> impl Strategy<Value = Span> {
        prop_oneof![
            8 => (0u64..3000, 0u64..400).prop_map(|(start, len)| Span::Range(start..start + len)),
            1 => Just(Span::Whole),
            1 => (0u64..3).prop_map(Span::Last),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Every span comes out as it was wanted, and what is asked for apart lies farther apart than the gap.
        #[test]
        fn every_span_is_cut_from_some_answer(spans in prop::collection::vec(span(), 0..20), gap in 0u64..300) {
            let object: Vec<u8> = (0..4000u32).map(|i| (i % 251) as u8).collect();
            let answer = |span: &Span| match span {
                Span::Whole => &object[..],
                Span::Range(range) => &object[range.start as usize..range.end as usize],
                Span::Last(n) => &object[object.len() - *n as usize..],
            };
            let plan = plan(&spans, gap);
            for (span, slice) in spans.iter().zip(&plan.slices) {
                let whole = answer(&plan.requests[slice.request]);
                let part = slice.part.clone().map_or(whole, |part| &whole[part]);
                prop_assert_eq!(part, answer(span));
            }
            let ranges: Vec<_> = plan.requests.iter().filter_map(|span| match span {
                Span::Range(range) => Some(range.clone()),
                _ => None,
            }).collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[1].start > pair[0].end + gap));
        }
    }
}
