//! Reasons that no packet brings about: they are there for what the kernel hardly ever refuses. So a fault is
//! put into the sources that makes it refuse, and the explanation names the reason and what it knows of it.

use std::path::Path;

use ep_builder::explain::{End, Start};
use ep_builder::policy::Holder;
use nix::mount::{MsFlags, mount};
use weir_tests::node::repository;
use weir_tests::pods::{Lab, Pod};
use weir_tests::sources::write_with_fault;

use super::{tcp, twins};
use crate::lifecycle::needs;

/// Where the parts of a frame begin.
const IP: usize = 14;
const MESSAGE: usize = IP + 40;
/// A message of neighbour discovery with one option.
const MESSAGE_LEN: usize = 32;

/// What the kernel is made to refuse.
struct Fault {
    reason: u8,
    detail: u8,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
    frame: fn(&Pod, &Pod) -> Vec<u8>,
}

const FAULTS: [Fault; 3] = [
    Fault {
        reason: 141,
        detail: 0,
        file: "lib/neighbor.h",
        right: "if (bpf_skb_change_tail(ctx, NEIGHBOR_FRAME_LEN, 0) ||",
        wrong: "if (!bpf_skb_change_tail(ctx, NEIGHBOR_FRAME_LEN, 0) ||",
        frame: solicitation,
    },
    Fault {
        reason: 155,
        detail: 12,
        file: "lib/connection.h",
        right: "error = ct_create(ctx, key, flow, &entry, judged->now, family);",
        wrong: "ct_create(ctx, key, flow, &entry, judged->now, family);\n\terror = -12;",
        frame: opening,
    },
    Fault {
        reason: 184,
        detail: 0,
        file: "lib/self.h",
        right: "flow->own_identity = self->identity;\n\treturn self;",
        wrong: "flow->own_identity = self->identity;\n\treturn NULL;",
        frame: opening,
    },
];

fn opening(a: &Pod, b: &Pod) -> Vec<u8> {
    let ([own, _], [peer, _]) = (a.addresses(), b.addresses());
    tcp(own, peer, 80).frame(a.endpoint.mac, a.endpoint.host_mac)
}

/// The pod asks who has the address of another one.
fn solicitation(a: &Pod, b: &Pod) -> Vec<u8> {
    let ([_, own], [_, peer]) = (a.addresses(), b.addresses());
    let mut frame = tcp(own, peer, 80).frame(a.endpoint.mac, a.endpoint.host_mac);
    frame.resize(MESSAGE + MESSAGE_LEN, 0);
    frame[IP + 4..][..2].copy_from_slice(&u16::try_from(MESSAGE_LEN).unwrap().to_be_bytes());
    frame[IP + 6] = 58;
    frame[IP + 7] = 255;
    frame[MESSAGE..].fill(0);
    frame[MESSAGE] = 135;
    let target = b.endpoint.ipv6.unwrap();
    frame[MESSAGE + 8..][..16].copy_from_slice(&target.octets());
    frame[MESSAGE + 24..][..2].copy_from_slice(&[1, 1]);
    frame[MESSAGE + 26..][..6].copy_from_slice(&a.endpoint.mac.0);
    frame
}

/// Puts sources with the fault where the calling thread, and the commands that it starts, look for the right ones.
fn put_in(fault: &Fault, folder: &Path) {
    write_with_fault(folder, fault.file, fault.right, fault.wrong);
    let (none, bind) = (None::<&str>, MsFlags::MS_BIND);
    mount(Some(folder), &repository("bpf-src"), none, bind, none).unwrap();
}

#[test]
fn what_the_kernel_refuses_is_told() {
    needs!();
    weir_tests::need!(weir_tests::need::Need::Tool("clang"));
    for fault in &FAULTS {
        let sources = tempfile::tempdir().unwrap();
        // A namespace of mounts each, which ends with the thread.
        let check = || {
            let lab = Lab::new();
            put_in(fault, sources.path());
            let (a, b) = (lab.pod(31), lab.pod(32));
            let id = a.endpoint.id;
            let run = twins(&lab, &[&a, &b]).run(Start::FromPod(id), &(fault.frame)(&a, &b));
            let run = run.unwrap();
            let End::Dropped(by, drop) = &run.end else {
                panic!("{}: {run:?}", fault.reason);
            };
            let told = (*by, drop.reason, drop.detail);
            assert_eq!(
                told,
                (Holder::Endpoint(id), fault.reason, fault.detail),
                "{run:?}"
            );
            assert!(drop.file > 0 && drop.line > 0, "{run:?}");
        };
        std::thread::scope(|scope| scope.spawn(check).join().unwrap());
    }
}
