//! Two endpoints by the operator's command, and what passes between them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ep_builder::endpoint::EndpointId;
use ep_builder::pairwise::Shape;
use ep_builder::settings::Paths;
use ep_builder::whole_file;

use crate::pods::Pod;
use crate::{Outcome, Report};

/// The `weir.toml` of this shape with the templates that were built before.
pub(crate) fn configuration((node, endpoint): &Shape, paths: &Paths) -> String {
    let path = |path: &Path| format!("{:?}", path.display().to_string());
    let sizes = &node.sizes;
    format!(
        "[paths]\nbpf_dir = {}\nbpf_templates_dir = {}\nbundle_dir = {}\n\
         [maps]\nendpoints = {}\nipcache = {}\npolicy = {}\nmetrics = {}\nevents = {}\nfragments = {}\n\
         snat = {}\nhost_ports = {}\nct_tcp = {}\nct_any = {}\n",
        path(&paths.bpf_dir),
        path(&paths.bpf_templates_dir),
        path(&paths.bundle_dir),
        sizes.endpoints,
        sizes.ipcache,
        sizes.policy,
        sizes.metrics,
        sizes.events,
        sizes.fragments,
        sizes.snat,
        sizes.host_ports,
        endpoint.ct_tcp,
        endpoint.ct_any,
    )
}

/// The command with its configuration.
struct Weir<'a> {
    program: &'a Path,
    configuration: &'a Path,
}

impl Weir<'_> {
    fn endpoint(&self, verb: &str, argument: &str) -> Outcome<()> {
        let output = Command::new(self.program)
            .arg("--config")
            .arg(self.configuration)
            .args(["endpoint", verb, argument])
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("weir endpoint {verb} {argument}: {}", said.trim()).into())
    }

    fn attach(&self, pod: &Pod) -> Outcome<()> {
        let file = tempfile::NamedTempFile::new()?;
        whole_file::write(file.path(), &serde_json::to_vec(&pod.endpoint)?)?;
        self.endpoint("attach", &file.path().display().to_string())
    }
}

/// Attaches two pods, has them talk, replaces one of them, and deletes both.
pub(crate) fn run(program: &Path, configuration: &Path, report: &mut Report) {
    let weir = Weir {
        program,
        configuration,
    };
    let pods = attach(&weir);
    let (a, b) = match pods {
        Ok(pods) => pods,
        Err(error) => return report.note::<Box<_>>("two endpoints are attached", Err(error)),
    };
    report.note::<Box<_>>(
        "two endpoints are attached",
        Ok("by `weir endpoint attach`".into()),
    );
    talk(&a, &b, "after attach", report);
    let replaced = weir.endpoint("regenerate", &a.endpoint.id.to_string());
    report.note("a new generation", replaced.map(|()| "is in force".into()));
    talk(&a, &b, "after regenerate", report);
    report.note("both endpoints are deleted", delete(&weir, &a, &b));
}

fn attach(weir: &Weir) -> Outcome<(Pod, Pod)> {
    let (a, b) = (Pod::new(11)?, Pod::new(12)?);
    weir.attach(&a)?;
    weir.attach(&b)?;
    Ok((a, b))
}

fn talk(a: &Pod, b: &Pod, when: &str, report: &mut Report) {
    for (is_ipv6, family) in [(false, "IPv4"), (true, "IPv6")] {
        let ping = b.address(is_ipv6).and_then(|to| a.ping(to));
        report.note(
            &format!("ping by {family} {when}"),
            ping.map(|()| "answered".into()),
        );
        let tcp = a.connect(b, is_ipv6);
        report.note(
            &format!("TCP by {family} {when}"),
            tcp.map(|()| "the same came back".into()),
        );
    }
}

/// Deletes both. Without programs nothing gets through any more, or it was not they that let it through.
fn delete(weir: &Weir, a: &Pod, b: &Pod) -> Outcome<String> {
    for pod in [a, b] {
        weir.endpoint("delete", &pod.endpoint.id.to_string())?;
        let left = own_pins(pod.endpoint.id)?;
        if !left.is_empty() {
            return Err(format!("endpoint {} left {left:?}", pod.endpoint.id).into());
        }
    }
    match b.address(false).and_then(|to| a.ping(to)) {
        Ok(()) => Err("ping is answered without any program".into()),
        Err(_) => Ok("and nothing is left of them".into()),
    }
}

fn own_pins(id: EndpointId) -> Outcome<Vec<String>> {
    let mut pins = Vec::new();
    for entry in fs::read_dir(Paths::default().bpffs_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.contains(&id.five_digits()) {
            pins.push(name);
        }
    }
    Ok(pins)
}
