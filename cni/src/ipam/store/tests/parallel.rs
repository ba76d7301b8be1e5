//! Many processes on one network.

use std::process::Command;

use super::*;

const PROCESSES: usize = 16;
const EACH: usize = 200;

/// Tells a worker where to work and who it is.
const PLACE: &str = "WEIR_TEST_IPAM_PLACE";
const WORKER: &str = "WEIR_TEST_IPAM_WORKER";

#[test]
fn processes_that_run_at_once_get_different_addresses() {
    let fixture = Fixture::new();
    let me = std::env::current_exe().unwrap();
    let workers = (0..PROCESSES).map(|worker| {
        let mut command = Command::new(&me);
        command.args(["--ignored", "--exact", "--test-threads=1"]);
        command.arg("ipam::store::tests::parallel::worker");
        command.env(PLACE, fixture.root.path());
        command.env(WORKER, worker.to_string());
        command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    });
    let workers: Vec<_> = workers.collect();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
    // Every worker keeps half of its addresses and has checked that they are its own.
    assert_eq!(fixture.truth().len(), PROCESSES * EACH / 2);
    fixture.assert_sound();
}

#[test]
#[ignore = "started by the test above, as a process of its own"]
fn worker() {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let worker: usize = std::env::var(WORKER).unwrap().parse().unwrap();
    let store = Store::new(&place, &network(), WAIT);
    let config = config(&["10.1.0.0/16"], &[]);
    let mut kept = Vec::new();
    for number in 0..EACH {
        let owner = owner(worker * EACH + number);
        let given = store
            .reserve(&owner, &config.pools, &config.excluded)
            .unwrap();
        if number % 2 == 0 {
            assert_eq!(store.release(&owner, &[]).unwrap(), given);
        } else {
            kept.push((owner, given));
        }
    }
    for (owner, given) in kept {
        store.check(&owner, &given).unwrap();
    }
}
