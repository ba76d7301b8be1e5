//! x
use ep_builder::endpoint::{Label, Labels};
use ep_builder::identity::Identities;
use std::time::{Duration, Instant};
#[test]
fn bench() {
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    let ids = Identities::open(root.path()).unwrap();
    let set = |n: usize| -> Labels {
        (0..8).map(|k| Label::new(&format!("key{k}.example.org/name"), &format!("value-{n}-{k}"), "k8s")).collect()
    };
    let t = Instant::now();
    for n in 0..1000 { ids.acquire(&set(n)).unwrap(); }
    println!("1000 new sets: {:?} each", t.elapsed() / 1000);
    let s = set(500);
    let mut times: Vec<Duration> = (0..20000).map(|_| { let t = Instant::now(); ids.acquire(&s).unwrap(); t.elapsed() }).collect();
    times.sort();
    println!("known: p50 {:?} p99 {:?}", times[10000], times[19800]);
    let t = Instant::now(); println!("list {} in {:?}", ids.list().unwrap().len(), t.elapsed());
    for n in 1000..5000 { ids.acquire(&set(n)).unwrap(); }
    let t = Instant::now(); for n in 5000..5100 { ids.acquire(&set(n)).unwrap(); }
    println!("new with 5000 there: {:?} each", t.elapsed() / 100);
    let t = Instant::now(); println!("collect {} in {:?}", ids.collect(|_| false, Duration::ZERO, false).unwrap().len(), t.elapsed());
}
