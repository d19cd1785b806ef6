//! What is drawn, what comes back, and who gets how much.

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn an_endpoint_draws_chunks_and_returns_all() {
    let budget = MemoryBudget::new(MIB);
    let mut account = Account::new(&KcpConfig::default(), budget.clone());
    account.change(0, 1);
    assert_eq!(budget.used(), CHUNK);
    account.change(1, CHUNK + 1);
    assert_eq!(budget.used(), 2 * CHUNK);
    account.change(CHUNK + 1, CHUNK);
    assert_eq!(budget.used(), 2 * CHUNK, "to and fro");
    account.set_queues(10 * CHUNK);
    assert_eq!(budget.used(), 11 * CHUNK);
    account.set_queues(0);
    assert_eq!(budget.used(), CHUNK);
    account.change(CHUNK, 0);
    assert_eq!(budget.used(), 0);
    account.set_queues(1);
    drop(account);
    assert_eq!(budget.used(), 0);
}

#[test]
fn held_memory_is_given_back_once() {
    let budget = MemoryBudget::new(MIB);
    let (one, two) = (budget.hold(1000), budget.hold(24));
    assert_eq!(budget.used(), 1024);
    drop(one);
    assert_eq!(budget.used(), 24);
    drop(two);
    assert_eq!((budget.used(), budget.limit()), (0, MIB));
}

#[test]
fn who_moves_gets_more_than_who_does_not_and_nobody_less_than_nothing() {
    let budget = MemoryBudget::new(16 * MIB);
    assert_eq!((budget.share(), budget.moving_share()), (12 * MIB / 16, 8 * MIB));
    let held = budget.hold(12 * MIB);
    assert_eq!((budget.share(), budget.moving_share()), (0, 2 * MIB));
    budget.set_limit(8 * MIB);
    assert_eq!((budget.share(), budget.moving_share()), (0, 0));
    drop(held);
}

/// What a session has set aside.
fn windows(bytes: usize) -> Reserve {
    Reserve { bytes, claims: 1 }
}

#[test]
fn windows_leave_a_quarter_and_are_shared_alike() {
    let all = 12 * MIB;
    for count in [1, 2, 10, 50] {
        let budget = MemoryBudget::new(16 * MIB);
        // The first was there alone.
        let mut own = vec![windows(0); count];
        own.iter().for_each(|own| budget.reserve(Reserve::default(), *own));
        own[0].bytes = all;
        budget.reserve(windows(0), own[0]);
        for turn in 0..40 * count {
            let own = &mut own[turn % count];
            // No window shrinks faster than it is read.
            let after = budget.window_share(own.bytes).max(own.bytes / 4 * 3);
            budget.reserve(*own, windows(after));
            own.bytes = after;
            assert!(budget.used() <= all);
        }
        let bytes = || own.iter().map(|own| own.bytes);
        let (least, most) = (bytes().min().unwrap(), bytes().max().unwrap());
        assert!(
            least >= all / count / 2 && most <= all / count * 2,
            "{least} to {most} of {count}"
        );
        assert!(budget.share() >= 4 * MIB / 16, "who comes has a part of the rest");
    }
}

#[test]
fn who_wants_little_leaves_the_rest_to_others() {
    let budget = MemoryBudget::new(16 * MIB);
    (0..9).for_each(|_| budget.reserve(Reserve::default(), windows(MIB / 9)));
    budget.reserve(Reserve::default(), windows(0));
    let share = budget.window_share(0);
    assert!(share > 5 * MIB, "{share}");
}

#[test]
fn what_is_set_aside_does_not_starve_who_holds_little() {
    let budget = MemoryBudget::new(16 * MIB);
    budget.reserve(Reserve::default(), windows(12 * MIB));
    assert_eq!((budget.used(), budget.share()), (12 * MIB, 4 * MIB / 16));
    let held = budget.hold(4 * MIB);
    assert_eq!((budget.share(), budget.moving_share()), (0, 0));
    drop(held);
}

#[test]
fn what_is_earned_is_what_was_let_go_of_lately() {
    let at = Time::from_millis;
    let mut charge = Charge::default();
    let start = usize::MAX - 50; // a counter that wraps
    charge.drained = start;
    assert_eq!(charge.earned(at(10), start.wrapping_add(100)), 200);
    assert_eq!(charge.earned(at(1000), start.wrapping_add(300)), 600, "a period ends");
    assert_eq!(charge.earned(at(1500), start.wrapping_add(310)), 600, "the one before counts");
    assert_eq!(charge.earned(at(2100), start.wrapping_add(310)), 20);
    assert_eq!(charge.earned(at(9000), start.wrapping_add(310)), 0, "long ago");
}

#[test]
fn the_floor_depends_on_the_number_of_sessions() {
    let floor = |config: KcpConfig, limit| Account::new(&config, MemoryBudget::new(limit)).floor();
    let config = |max_sessions| KcpConfig { max_sessions, ..KcpConfig::default() };
    assert_eq!(floor(config(4096), 64 * MIB), 2800);
    assert_eq!(floor(config(512), 64 * MIB), 8192);
    assert_eq!(floor(config(1), 64 * MIB), FLOOR_MOST);
    assert_eq!(floor(config(1).with_mtu(60_000), 64 * MIB), 120_000);
}
