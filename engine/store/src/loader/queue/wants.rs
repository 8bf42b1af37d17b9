//! What a view wants: its list replaced, pinned, registered with the jobs of its chunks, and abandoned.

use super::*;

impl Queue {
    pub(super) fn detach(&mut self, view: ViewId, cache: &ChunkCache) {
        let Some(gone) = self.views.remove(&view) else { return };
        self.past = self.past.plus(&gone.tally.report());
        let pins: Vec<ChunkKey> = gone.pins.into_iter().collect();
        self.repin(&[], &pins, cache);
        let wanted = gone.lists.into_iter().flatten().map(|pending| pending.gathering);
        for gathering in wanted.chain(gone.provisional.into_iter().map(|p| p.gathering)) {
            self.abandon(&gathering);
            self.effects.litter.push(gathering);
        }
        self.failures.forget_view(view);
        self.health.forget_view(view);
    }

    /// Replaces what `view` wants but overviews. How many pins were refused.
    pub(super) fn want(
        &mut self,
        view: ViewId,
        images: &[Image],
        wants: &[Want],
        ready: &HashSet<Piece>,
        dropped: &HashSet<Piece>,
        cache: &ChunkCache,
        now: Instant,
    ) -> u64 {
        let image_of = |piece: &Piece| images.iter().find(|image| image.info.id == piece.image());
        let Some(of) = self.views.get_mut(&view) else { return 0 };
        let (epoch, tally) = (of.epoch, of.tally.clone());
        let idle = of.lists.iter().all(Vec::is_empty);
        let mut before: HashMap<Goal, Pending> = HashMap::new();
        for list in &mut of.lists[..OVERVIEWS] {
            for pending in list.drain(..) {
                match pending.gathering.making {
                    Making::Piece(piece) => before.insert(piece.into(), pending),
                    Making::Warm(piece) => before.insert(Goal::Warm(piece), pending),
                    Making::Overview { .. } => None,
                };
            }
        }
        let mut seen = HashSet::with_capacity(wants.len());
        let mut lists: [Vec<Pending>; OVERVIEWS] = Default::default();
        let mut late = 0;
        for want in wants {
            if !seen.insert(want.goal) || want.goal.makes().is_some_and(|piece| ready.contains(&piece)) {
                continue;
            }
            let list = &mut lists[want.class as usize];
            if let Some(mut pending) = before.remove(&want.goal) {
                pending.gathering.set_class(want.class);
                pending.deadline = want.deadline;
                list.push(pending);
                continue;
            }
            let making = want.goal.makes().map_or(Making::Warm(want.goal.piece()), Making::Piece);
            let cached = |key: &ChunkKey| cache.has(key);
            let gathering =
                image_of(&want.goal.piece()).and_then(|image| Gathering::new(view, epoch, making, want.class, image, &cached));
            match gathering {
                Some(gathering) if gathering.chunks.is_empty() => {}
                Some(gathering) => {
                    if gathering.shows() {
                        late += self.count_late(&gathering);
                    } else {
                        let fresh = gathering.chunks.iter().filter(|key| !self.jobs.contains_key(key)).count();
                        tally.asked.fetch_add(fresh as u64, Ordering::Relaxed);
                    }
                    list.push(self.register(gathering, want.deadline));
                }
                None => tracing::error!(key = ?want.goal, "something was wanted that its image does not have"),
            }
        }
        tally.late.fetch_add(late, Ordering::Relaxed);
        for (class, list) in lists.iter_mut().enumerate() {
            // Stable: those with equal deadlines keep their order. What has none comes last.
            list.sort_by_key(|pending| (pending.deadline.is_none(), pending.deadline));
            if list.is_empty() {
                continue;
            }
            self.waiting_since[class].get_or_insert(now);
            let first = list.first().and_then(|p| p.deadline).filter(|_| class >= Class::Ahead as usize);
            self.expires = [self.expires, first].into_iter().flatten().min();
        }
        let least = self.views.values().filter(|v| v.lists.iter().any(|l| !l.is_empty())).map(|v| v.served).min();
        let Some(of) = self.views.get_mut(&view) else { return 0 };
        if idle && let Some(least) = least {
            of.served = of.served.max(least);
        }
        for (to, list) in of.lists.iter_mut().zip(lists) {
            *to = list;
        }
        of.cursors[..OVERVIEWS].fill(0);
        let forgotten = of.forget_provisional(|piece, gathering| {
            let anew = seen.contains(&Goal::from(*piece)) && !ready.contains(piece);
            anew || dropped.contains(piece) || image_of(piece).is_none() && gathering.shows()
        });
        for gathering in before.into_values().map(|p| p.gathering).chain(forgotten) {
            self.abandon(&gathering);
            self.effects.litter.push(gathering);
        }
        let refused = self.pin(view, &image_of, wants, cache);
        self.make_way(now);
        refused
    }

    /// Pins what the wants say, as far as there is room. How many chunks found none.
    pub(super) fn pin<'a>(
        &mut self,
        view: ViewId,
        image_of: &impl Fn(&Piece) -> Option<&'a Image>,
        wants: &[Want],
        cache: &ChunkCache,
    ) -> u64 {
        let mut wanted: Vec<(ChunkKey, u64)> = Vec::new();
        for want in wants.iter().filter(|want| want.pin) {
            let piece = want.goal.piece();
            let Some(image) = image_of(&piece) else { continue };
            let Some(gathering) = Gathering::new(view, 0, Making::Warm(piece), want.class, image, &|_| false) else { continue };
            let bytes = decoded_bytes(image, piece.level());
            wanted.extend(gathering.chunks.iter().map(|chunk| (*chunk, bytes)));
        }
        let Some(of) = self.views.get_mut(&view) else { return 0 };
        let before = std::mem::take(&mut of.pins);
        if wanted.is_empty() && before.is_empty() {
            return 0;
        }
        let most = cache.budget() / PIN_SHARE;
        // Those of other views stay; this view's are dealt out anew, first come first served.
        let own: HashSet<ChunkKey> = before.iter().filter(|key| self.pins.get(key).is_some_and(|p| p.0 == 1)).copied().collect();
        let mut bytes: u64 = self.pins.iter().filter(|(key, _)| !own.contains(key)).map(|(_, pin)| pin.1).sum();
        let mut now = HashSet::new();
        let mut refused = 0;
        for (key, cost) in &wanted {
            let shared = self.pins.contains_key(key) && !own.contains(key);
            let cost = if shared || now.contains(key) { 0 } else { *cost };
            if bytes + cost <= most {
                bytes += cost;
                now.insert(*key);
            } else {
                refused += 1;
            }
        }
        let costs: HashMap<ChunkKey, u64> = wanted.into_iter().collect();
        let pin: Vec<(ChunkKey, u64)> =
            now.iter().filter(|key| !before.contains(key)).map(|key| (*key, costs.get(key).copied().unwrap_or(0))).collect();
        let unpin: Vec<ChunkKey> = before.difference(&now).copied().collect();
        if let Some(of) = self.views.get_mut(&view) {
            of.pins = now;
        }
        self.repin(&pin, &unpin, cache);
        self.counts.pins_refused += refused;
        refused
    }

    pub(super) fn repin(&mut self, pin: &[(ChunkKey, u64)], unpin: &[ChunkKey], cache: &ChunkCache) {
        for (key, bytes) in pin {
            self.pins.entry(*key).or_insert((0, *bytes)).0 += 1;
        }
        for key in unpin {
            if let Some(entry) = self.pins.get_mut(key) {
                entry.0 -= 1;
                if entry.0 == 0 {
                    self.pins.remove(key);
                }
            }
        }
        let pin: Vec<ChunkKey> = pin.iter().map(|(key, _)| *key).collect();
        cache.repin(&pin, unpin);
    }

    /// How many chunks of a tile or brick are on their way, but only because they were to be warm by now.
    pub(super) fn count_late(&mut self, gathering: &Gathering) -> u64 {
        let mut late = 0;
        for key in &gathering.chunks {
            if let Some(job) = self.jobs.get_mut(key).filter(|job| !job.late && job.waiting.iter().all(|g| !g.shows()))
                && !job.waiting.is_empty()
            {
                job.late = true;
                late += 1;
            }
        }
        late
    }

    /// Lets `gathering` wait for all its chunks.
    pub(super) fn register(&mut self, gathering: Gathering, deadline: Option<Instant>) -> Pending {
        let gathering = Arc::new(gathering);
        for key in &gathering.chunks {
            let job = self.jobs.entry(*key).or_insert_with(|| Job {
                image: gathering.image.clone(),
                state: State::Queued,
                waiting: Vec::new(),
                cost: 0,
                low: false,
                yielded: false,
                stale: false,
                late: false,
            });
            match &mut job.state {
                State::Resting { untold, .. } => *untold |= gathering.comes_damaged(false),
                // One that was stopped starts again when it finds that somebody waits.
                _ => self.counts.joined += u64::from(!job.waiting.is_empty()),
            }
            job.waiting.push(gathering.clone());
        }
        Pending { gathering, deadline, started: 0 }
    }

    /// Nobody wants `gathering` any more.
    pub(super) fn abandon(&mut self, gathering: &Arc<Gathering>) -> usize {
        let mut dropped = 0;
        for key in &gathering.chunks {
            let Some(job) = self.jobs.get_mut(key) else { continue };
            let before = job.waiting.len();
            job.waiting.retain(|g| !Arc::ptr_eq(g, gathering));
            if before == 0 || !job.waiting.is_empty() {
                continue;
            }
            self.counts.cancelled += 1;
            dropped += 1;
            match &job.state {
                State::Running(stop) => self.effects.stops.push(stop.clone()),
                State::Locating => {}
                State::Queued | State::Resting { .. } | State::Fetched(_) => {
                    self.drop_job(key);
                }
                State::AwaitsIndex(index) => {
                    let index = *index;
                    self.drop_job(key);
                    self.leave_index(index);
                }
                State::Fetching(flight) => {
                    let flight = *flight;
                    self.drop_job(key);
                    self.leave_flight(flight);
                }
            }
        }
        dropped
    }
}
