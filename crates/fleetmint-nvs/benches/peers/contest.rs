//! Contenders take turns; each one's time is the median of its rounds.

use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Rounds of each contender, and how long one takes at least. They are short beside the slices of time that a busy
/// machine gives, so that most rounds pass without a break.
const ROUNDS: usize = 501;
const ROUND: Duration = Duration::from_micros(200);

type Run<'a> = Box<dyn FnMut() + 'a>;

pub(crate) struct Contest<'a> {
    name: &'static str,
    contenders: Vec<(&'static str, Run<'a>)>,
    /// Contender, peer, and the most that the first may take of the second.
    goals: Vec<(&'static str, &'static str, f64)>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            contenders: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub(crate) fn contender(mut self, name: &'static str, run: impl FnMut() + 'a) -> Self {
        self.contenders.push((name, Box::new(run)));
        self
    }

    /// The first should take at most so many times what the second takes.
    pub(crate) fn goal(mut self, contender: &'static str, peer: &'static str, most: f64) -> Self {
        self.goals.push((contender, peer, most));
        self
    }

    /// Measures and prints, if it was asked for.
    pub(crate) fn run(mut self) {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
        if !words.is_empty() && !words.iter().any(|word| self.name.contains(word.as_str())) {
            return;
        }
        let counts: Vec<u32> = self.contenders.iter_mut().map(|(_, run)| calibrate(run)).collect();
        let mut times = vec![Vec::with_capacity(ROUNDS); counts.len()];
        for _ in 0..ROUNDS {
            for (((_, run), count), times) in self.contenders.iter_mut().zip(&counts).zip(&mut times) {
                times.push(time(run, *count));
            }
        }
        let median = |name: &str| {
            let place = self
                .contenders
                .iter()
                .position(|(contender, _)| *contender == name)
                .unwrap();
            let mut times = times[place].clone();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let round = |number: f64, digits: f64| (number * digits).round() / digits;
        let mut line = Map::new();
        line.insert("bench".into(), json!(self.name));
        for (name, _) in &self.contenders {
            line.insert(format!("{name}_ns"), json!(round(median(name), 10.0)));
        }
        let goals: Vec<Value> = self
            .goals
            .iter()
            .map(|(contender, peer, most)| {
                let ratio = median(contender) / median(peer);
                json!({ "ratio": format!("{contender}/{peer}"), "is": round(ratio, 1000.0), "goal": most, "met": ratio <= *most })
            })
            .collect();
        line.insert("ratios".into(), json!(goals));
        println!("{}", Value::Object(line));
    }
}

/// How often it runs within a round.
fn calibrate(run: &mut Run<'_>) -> u32 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        (0..count).for_each(|_| run());
        if start.elapsed() >= ROUND {
            return count;
        }
        count *= 2;
    }
}

/// Nanoseconds for one run.
fn time(run: &mut Run<'_>, count: u32) -> f64 {
    let start = Instant::now();
    (0..count).for_each(|_| run());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}
