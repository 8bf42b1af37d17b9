//! What was told of each topic, for those who come back (PROTOCOL §9), and each client's place in it.
//!
//! Positions and tokens are shared: a token names how many changes of its topic's epoch the holder has seen. A client's `seq` is its own:
//! it starts at 0 with the client's scene and has no gaps, whoever else comes or goes. What was told is kept as its meaning, whatever
//! that is, and becomes JSON when it is sent.

use nc_protocol::resume::DeltaToken;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A topic that has a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Scene,
    Layers,
    Stream,
}

/// How much of a topic is kept. What is old goes when something new comes, and then only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// So many are kept however old they are.
    pub(crate) at_least: usize,
    /// Beyond that, nothing older than this.
    pub(crate) age: Duration,
    /// Never more than this.
    pub(crate) at_most: usize,
}

/// Changes of layers: a thumbnail is kept once per layer, so most are a few hundred bytes.
const LAYERS: Retention = Retention { at_least: 512, age: Duration::from_secs(300), at_most: 2048 };
/// Stream configurations.
const STREAM: Retention = Retention { at_least: 32, age: Duration::MAX, at_most: 32 };

/// The changes of one topic, oldest first.
#[derive(Debug)]
pub(crate) struct Timeline<T> {
    /// The newest place.
    token: DeltaToken,
    /// Tokens before this place cannot be replayed from: what followed them is gone.
    floor: u64,
    retention: Retention,
    entries: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    position: u64,
    at: Instant,
    change: T,
}

/// What the holder of a token is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan<'a, T> {
    /// Everything.
    Reset,
    /// What it missed, oldest first, each with the token that follows it.
    Replay(Vec<(DeltaToken, &'a T)>),
}

impl<T> Timeline<T> {
    /// An empty one. `epoch` names it and should be random.
    pub(crate) fn new(epoch: u64, retention: Retention) -> Self {
        Self { token: DeltaToken { epoch, position: 0 }, floor: 0, retention, entries: VecDeque::new() }
    }

    /// The newest place.
    pub(crate) fn token(&self) -> DeltaToken {
        self.token
    }

    /// Keeps a change. Returns the place after it.
    pub(crate) fn append(&mut self, change: T, now: Instant) -> DeltaToken {
        self.token.position += 1;
        self.entries.push_back(Entry { position: self.token.position, at: now, change });
        let Retention { at_least, age, at_most } = self.retention;
        while let Some(oldest) = self.entries.front()
            && (self.entries.len() > at_most || self.entries.len() > at_least && now.saturating_duration_since(oldest.at) > age)
        {
            self.floor = oldest.position;
            self.entries.pop_front();
        }
        self.token
    }

    /// Forgets changes that later ones make superfluous. Whoever replays does not miss them.
    pub(crate) fn forget(&mut self, superfluous: impl Fn(&T) -> bool) {
        self.entries.retain(|entry| !superfluous(&entry.change));
    }

    /// What the holder of `token` is to be told.
    pub(crate) fn plan(&self, token: Option<&str>) -> Plan<'_, T> {
        match token.and_then(|token| token.parse::<DeltaToken>().ok()) {
            Some(DeltaToken { epoch, position })
                if epoch == self.token.epoch && (self.floor..=self.token.position).contains(&position) =>
            {
                let from = self.entries.partition_point(|entry| entry.position <= position);
                let missed = self.entries.range(from..);
                Plan::Replay(missed.map(|entry| (DeltaToken { epoch, position: entry.position }, &entry.change)).collect())
            }
            _ => Plan::Reset,
        }
    }
}

/// The history of every topic; `T` is a change as it is kept.
#[derive(Debug)]
pub(crate) struct History<T> {
    /// Names the epoch of the scene. Its changes are not kept: whoever comes gets the scene as it is.
    pub(crate) scene: DeltaToken,
    pub(crate) layers: Timeline<T>,
    pub(crate) stream: Timeline<T>,
}

impl<T> History<T> {
    /// An empty history. The epochs of scene, layers and stream should be random; a token of one topic is none of another.
    pub(crate) fn new([scene, layers, stream]: [u64; 3]) -> Self {
        Self {
            scene: DeltaToken { epoch: scene, position: 0 },
            layers: Timeline::new(layers, LAYERS),
            stream: Timeline::new(stream, STREAM),
        }
    }

    /// The newest place of a topic.
    pub(crate) fn token(&self, topic: Topic) -> DeltaToken {
        match topic {
            Topic::Scene => self.scene,
            Topic::Layers => self.layers.token(),
            Topic::Stream => self.stream.token(),
        }
    }
}

/// The next `seq` of each topic for one client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequence {
    layers: u64,
    stream: u64,
}

impl Sequence {
    /// The `seq` of the client's next frame of `topic`. A scene starts the others anew.
    pub(crate) fn next(&mut self, topic: Topic) -> u64 {
        let counter = match topic {
            Topic::Scene => {
                *self = Self::default();
                return 0;
            }
            Topic::Layers => &mut self.layers,
            Topic::Stream => &mut self.stream,
        };
        *counter += 1;
        *counter - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Retention = Retention { at_least: 4, age: Duration::from_secs(10), at_most: 8 };

    fn replayed<T: Copy>(plan: &Plan<'_, T>) -> Option<Vec<T>> {
        match plan {
            Plan::Reset => None,
            Plan::Replay(missed) => Some(missed.iter().map(|(_, change)| **change).collect()),
        }
    }

    #[test]
    fn what_followed_a_token_is_replayed() {
        let (mut line, now) = (Timeline::new(7, SMALL), Instant::now());
        let start = line.token().to_string();
        let tokens: Vec<String> = (0..3).map(|n| line.append(n, now).to_string()).collect();
        assert_eq!(replayed(&line.plan(Some(&start))), Some(vec![0, 1, 2]));
        assert_eq!(replayed(&line.plan(Some(&tokens[1]))), Some(vec![2]));
        assert_eq!(replayed(&line.plan(Some(&tokens[2]))), Some(vec![]));
        let Plan::Replay(missed) = line.plan(Some(&start)) else { panic!() };
        assert_eq!(missed.iter().map(|(token, _)| token.to_string()).collect::<Vec<_>>(), tokens, "each with its own token");
        let ahead = DeltaToken { epoch: 7, position: 4 }.to_string();
        let stranger = DeltaToken { epoch: 8, position: 1 }.to_string();
        for unknown in [None, Some(""), Some("x"), Some(&*ahead), Some(&*stranger)] {
            assert_eq!(line.plan(unknown), Plan::Reset, "{unknown:?}");
        }
    }

    #[test]
    fn what_is_superfluous_is_not_missed() {
        let (mut line, now) = (Timeline::new(7, SMALL), Instant::now());
        let start = line.token().to_string();
        let tokens: Vec<String> = (0..4).map(|n| line.append(n, now).to_string()).collect();
        line.forget(|n| n % 2 == 0);
        assert_eq!(replayed(&line.plan(Some(&start))), Some(vec![1, 3]));
        assert_eq!(replayed(&line.plan(Some(&tokens[2]))), Some(vec![3]), "the place is still known");
    }

    proptest! {
        #[test]
        fn retention_is_age_then_number(gaps in proptest::collection::vec(0u64..6, 1..40)) {
            let (mut line, start) = (Timeline::new(7, SMALL), Instant::now());
            let mut told = vec![(line.token().to_string(), start)];
            let mut now = start;
            for (n, gap) in gaps.iter().enumerate() {
                now += Duration::from_secs(*gap);
                told.push((line.append(n, now).to_string(), now));
                let kept: Vec<usize> = (0..=n).filter(|&i| {
                    let later = n - i;
                    later < SMALL.at_least || later < SMALL.at_most && now - told[i + 1].1 <= SMALL.age
                }).collect();
                // What is kept is the end of what was told, because time goes on.
                let first = kept[0];
                prop_assert_eq!(kept.len(), n + 1 - first);
                for (i, (token, _)) in told.iter().enumerate() {
                    let expected = (i >= first).then(|| (i..=n).collect::<Vec<_>>());
                    prop_assert_eq!(replayed(&line.plan(Some(token))), expected, "token {} of {}", i, n);
                }
            }
        }

        #[test]
        fn any_text_is_planned_for(text in "\\PC{0,80}") {
            let mut line = Timeline::new(7, SMALL);
            line.append(1, Instant::now());
            prop_assert!(matches!(line.plan(Some(&text)), Plan::Reset) || text.starts_with("0000000000000007"));
        }
    }

    #[test]
    fn a_scene_starts_the_other_topics_anew() {
        let mut sequence = Sequence::default();
        assert_eq!((sequence.next(Topic::Layers), sequence.next(Topic::Layers)), (0, 1));
        sequence.next(Topic::Stream);
        assert_eq!(sequence.next(Topic::Scene), 0);
        assert_eq!((sequence.next(Topic::Layers), sequence.next(Topic::Stream)), (0, 0));
    }

    #[test]
    fn a_token_of_one_topic_is_none_of_another() {
        let mut history: History<()> = History::new([1, 2, 3]);
        let layers = history.layers.append((), Instant::now()).to_string();
        assert_eq!(history.stream.plan(Some(&layers)), Plan::Reset);
        assert_eq!(history.layers.plan(Some(&history.token(Topic::Scene).to_string())), Plan::Reset);
    }
}
