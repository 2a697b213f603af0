//! The connections that are open, and their limits: in all, and for each address.
//!
//! At a limit an idle connection is closed in favour of a new one, so that callers who only hold connections cannot block
//! others. If none is idle, a connection of the address that has the most closes after its next answer, and the new one
//! waits for that. If the new one's own address has about as many, or is at its limit, the new one gets a 503.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::activity::Activity;
use crate::source::Source;

/// The limits of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub all: usize,
    /// From one IPv4 address or one IPv6 /64, except from trusted proxies.
    pub per_address: usize,
}

/// The connections that are open.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    open: Mutex<Open>,
    /// A connection was closed.
    closed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    connections: HashMap<u64, Connection>,
    by_address: HashMap<Source, usize>,
}

#[derive(Debug)]
struct Connection {
    /// `None` for a trusted proxy's: it carries many callers.
    address: Option<Source>,
    activity: Arc<Activity>,
}

/// The slot of an open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    connections: Connections,
    number: u64,
    activity: Arc<Activity>,
}

/// Why a connection gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The limit of all connections is reached, and none is idle.
    All,
    /// Its address has reached its limit, or its share of all, and none of its connections is idle.
    Address,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            limits,
            open: Mutex::default(),
            closed: Notify::new(),
        }))
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a connection from this address; `None` is a trusted proxy's. If another connection was closed for it,
    /// also how long that one had been idle.
    pub(crate) fn slot(&self, address: Option<Source>) -> Result<(Slot, Option<Duration>), Full> {
        let mut open = self.open();
        let of_address = address.and_then(|address| open.by_address.get(&address).copied());
        let full = if of_address.is_some_and(|count| count >= self.0.limits.per_address) {
            Some(Full::Address)
        } else {
            (open.connections.len() >= self.0.limits.all).then_some(Full::All)
        };
        let closed = match full {
            None => None,
            Some(full) => match open.close_one(full, address) {
                None if full == Full::All && !open.end_one(of_address.unwrap_or_default()) => {
                    return Err(Full::Address);
                }
                closed => Some(closed.ok_or(full)?),
            },
        };
        open.last += 1;
        let number = open.last;
        let activity = Arc::<Activity>::default();
        let connection = Connection {
            address,
            activity: Arc::clone(&activity),
        };
        open.connections.insert(number, connection);
        if let Some(address) = address {
            *open.by_address.entry(address).or_default() += 1;
        }
        let slot = Slot {
            connections: self.clone(),
            number,
            activity,
        };
        Ok((slot, closed))
    }

    /// Resolves when a connection has closed since the last call.
    pub(crate) async fn closed(&self) {
        self.0.closed.notified().await;
    }

    /// Closes all.
    pub(crate) fn close_all(&self) {
        for connection in self.open().connections.values() {
            connection.activity.close();
        }
    }
}

impl Open {
    /// Closes the connection that has been idle longest, of one address or of those that have the most. Returns how long it
    /// was idle.
    fn close_one(&mut self, full: Full, address: Option<Source>) -> Option<Duration> {
        let weight = |connection: &Connection| match (full, connection.address) {
            (Full::All, Some(address)) => self.by_address.get(&address).copied().unwrap_or_default(),
            _ => 0,
        };
        let (_, idle, number) = self
            .connections
            .iter()
            .filter(|(_, connection)| full == Full::All || connection.address == address)
            .filter_map(|(number, connection)| Some((weight(connection), connection.activity.idle_for()?, *number)))
            .max()?;
        let connection = self.remove(number)?;
        connection.activity.close();
        Some(idle)
    }

    /// Makes a connection of the address that has the most close after its next answer, in favour of an address that has
    /// `own` connections. `false` if that address already has its share: then nothing closes, and the new one must not wait.
    fn end_one(&mut self, own: usize) -> bool {
        let most = self.by_address.values().copied().max().unwrap_or_default();
        if most <= own + 1 {
            return own == 0;
        }
        let of_most = |connection: &&Connection| {
            let count = connection.address.and_then(|address| self.by_address.get(&address));
            count == Some(&most) && !connection.activity.is_ending()
        };
        if let Some(connection) = self.connections.values().find(of_most) {
            connection.activity.set_ending();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Connection> {
        let connection = self.connections.remove(&number)?;
        if let Some(address) = connection.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(connection)
    }
}

impl Slot {
    pub(crate) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.open().remove(self.number);
        self.connections.0.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn address(last: u8) -> Option<Source> {
        Some(Source::new([192, 0, 2, last].into()))
    }

    fn connections() -> Connections {
        Connections::new(Limits { all: 4, per_address: 3 })
    }

    #[test]
    fn slots_are_freed() {
        let connections = connections();
        for _ in 0..10 {
            let slots: Vec<_> = (0..3).map(|_| connections.slot(address(1)).unwrap()).collect();
            assert_eq!(connections.slot(address(1)).unwrap_err(), Full::Address);
            let last = connections.slot(address(2)).unwrap();
            assert_eq!(connections.slot(address(2)).unwrap_err(), Full::All);
            drop((slots, last));
        }
        let open = connections.open();
        assert!(open.connections.is_empty() && open.by_address.is_empty());
    }

    #[test]
    fn proxies_have_no_limit_of_their_own() {
        let connections = connections();
        let _slots: Vec<_> = (0..4).map(|_| connections.slot(None).unwrap()).collect();
        assert_eq!(connections.slot(None).unwrap_err(), Full::All);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_of_the_busiest_address_is_closed() {
        let connections = connections();
        let pause = || advance(Duration::from_millis(300));
        let (few, _) = connections.slot(address(1)).unwrap();
        let (first, _) = connections.slot(address(2)).unwrap();
        pause().await;
        let (second, _) = connections.slot(address(2)).unwrap();
        let (third, _) = connections.slot(address(2)).unwrap();
        // A connection with a request in progress is not idle.
        few.activity.set_busy(true);
        first.activity.set_busy(true);
        assert_eq!(connections.slot(address(3)).unwrap_err(), Full::All);
        few.activity.set_busy(false);
        first.activity.set_busy(false);
        pause().await;
        second.activity.progress();
        let (new, idle) = connections.slot(address(3)).unwrap();
        assert_eq!(idle.unwrap(), Duration::from_millis(300));
        let numbers = |connections: &Connections| {
            let mut numbers: Vec<_> = connections.open().connections.keys().copied().collect();
            numbers.sort_unstable();
            numbers
        };
        let open = numbers(&connections);
        assert!(open.contains(&few.number) && open.contains(&second.number) && open.contains(&new.number));
        assert_eq!(open.len(), 4);
        // When it ends later, it frees no slot of another.
        drop((first, third));
        assert_eq!(numbers(&connections).len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_connection_is_idle_only_after_a_second() {
        let connections = connections();
        let slots: Vec<_> = (0..3).map(|_| connections.slot(address(1)).unwrap().0).collect();
        for slot in &slots {
            slot.activity.set_stalled(true);
        }
        advance(Duration::from_millis(999)).await;
        assert_eq!(connections.slot(address(1)).unwrap_err(), Full::Address);
        advance(Duration::from_millis(1)).await;
        assert!(connections.slot(address(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_body_is_late_for_a_second_is_idle_even_if_bytes_trickle_in() {
        let connections = connections();
        let slots: Vec<_> = (0..3).map(|_| connections.slot(address(1)).unwrap().0).collect();
        let [trickles, flows, works] = slots.as_slice() else {
            panic!("three slots")
        };
        for slot in &slots {
            slot.activity.set_busy(true);
            slot.activity.await_body();
        }
        works.activity.body_ended();
        for _ in 0..11 {
            advance(Duration::from_millis(100)).await;
            for (slot, bytes) in [(trickles, 1), (flows, 4096)] {
                slot.activity.body_came(bytes);
                slot.activity.await_body();
            }
        }
        let (_, idle) = connections.slot(address(1)).unwrap();
        assert!(idle.unwrap() >= Duration::from_secs(1));
        let open = connections.open();
        assert!(!open.connections.contains_key(&trickles.number));
        assert!(open.connections.contains_key(&flows.number) && open.connections.contains_key(&works.number));
    }

    #[test]
    fn if_none_is_idle_a_connection_of_the_busiest_address_ends_for_another_address() {
        let connections = Connections::new(Limits { all: 6, per_address: 6 });
        let mut slots: Vec<_> = [1, 1, 1, 1, 2, 2]
            .map(|last| connections.slot(address(last)).unwrap().0)
            .into();
        let ending = |slots: &[Slot]| slots.iter().map(|slot| slot.activity.is_ending()).collect::<Vec<_>>();
        // An address that has the most, or nearly, is refused at once.
        assert_eq!(connections.slot(address(1)).unwrap_err(), Full::Address);
        assert_eq!(ending(&slots), [false; 6]);
        // An address that has fewer waits, and so does a proxy.
        for (number, other) in [address(2), address(3), None].into_iter().enumerate() {
            assert_eq!(connections.slot(other).unwrap_err(), Full::All);
            assert_eq!(ending(&slots).iter().filter(|ending| **ending).count(), number + 1);
        }
        assert_eq!(ending(&slots)[4..], [false; 2]);
        let ended = slots.iter().position(|slot| slot.activity.is_ending()).unwrap();
        drop(slots.remove(ended));
        let _new = connections.slot(address(3)).unwrap();
        assert_eq!(connections.slot(address(2)).unwrap_err(), Full::Address);
    }
}
