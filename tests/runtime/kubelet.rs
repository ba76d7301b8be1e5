//! Pods of containerd, made as a kubelet makes them.

use std::net::IpAddr;

use serde_json::{Value, json};
use tonic::Status;

use crate::containerd::Containerd;
use crate::cri::messages::{
    ContainerConfig, ContainerMetadata, ImageSpec, LinuxPod, PodConfig, PodMetadata,
};
use crate::host::Host;
use crate::image;
use crate::until::until;

/// The namespace of all pods, in the sense of Kubernetes.
pub(crate) const NAMESPACE: &str = "shop";

/// How often a pod is tried again for what another plugin does wrong now and then.
const TRIES: usize = 5;

/// `ptp` adds a route from the pod's address while that is still tentative, if the machine is busy, and the kernel
/// refuses it.
fn is_slip_of_ptp(message: &str) -> bool {
    message.contains("plugin type=\"ptp\" failed (add): failed to add route")
}

/// A pod with a container that answers on port 80.
pub(crate) struct Pod {
    id: String,
    container: String,
    /// IPv4 first.
    pub(crate) addresses: Vec<IpAddr>,
}

/// Who makes pods.
pub(crate) struct Kubelet<'host> {
    host: &'host Host<'host>,
    containerd: Containerd<'host>,
}

impl<'host> Kubelet<'host> {
    /// Starts containerd with this list of plugins.
    pub(crate) fn new(host: &'host Host<'host>, list: &Value) -> Self {
        let containerd = Containerd::start(host, list);
        Self { host, containerd }
    }

    /// What a pod is asked for with.
    pub(crate) fn config(&self, name: &str) -> PodConfig {
        PodConfig {
            metadata: Some(PodMetadata {
                name: name.into(),
                uid: format!("uid-of-{name}"),
                namespace: NAMESPACE.into(),
            }),
            hostname: name.into(),
            log_directory: self.containerd.logs(),
            // Plugins see no labels, but annotations.
            annotations: [(
                "weir.dev/labels".to_owned(),
                json!({ "app": name }).to_string(),
            )]
            .into(),
            linux: Some(LinuxPod {
                cgroup_parent: self.host.cgroup(),
            }),
            ..PodConfig::default()
        }
    }

    /// Makes a pod without a container, if its network can be made; tries again where a kubelet would, and it is not
    /// weir that failed.
    pub(crate) fn try_run(&mut self, config: PodConfig) -> Result<String, Status> {
        for _ in 0..TRIES {
            match self.containerd.cri.run_pod(config.clone()) {
                Err(error) if is_slip_of_ptp(error.message()) => {}
                other => return other,
            }
        }
        self.containerd.cri.run_pod(config)
    }

    /// Makes a pod with its container.
    pub(crate) fn run(&mut self, config: PodConfig) -> Pod {
        let id = self.try_run(config.clone()).unwrap();
        let server = ["/bin/httpd", "-f", "-p", "80", "-h", "/www"];
        let container = ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: "server".into(),
            }),
            image: Some(ImageSpec {
                image: image::NAME.into(),
            }),
            command: server.map(str::to_owned).into(),
            log_path: format!("{id}.log"),
        };
        let container = self.containerd.cri.start(&id, container, config).unwrap();
        let network = self.containerd.cri.pod(&id).unwrap().network.unwrap();
        let more = network.additional_ips.into_iter().map(|it| it.ip);
        let addresses = std::iter::once(network.ip).chain(more);
        Pod {
            id,
            container,
            addresses: addresses.map(|text| text.parse().unwrap()).collect(),
        }
    }

    /// Stops a pod, twice as after an answer that was lost, and removes it.
    pub(crate) fn remove(&mut self, pod: &Pod) {
        self.containerd.cri.stop_pod(&pod.id).unwrap();
        self.containerd.cri.stop_pod(&pod.id).unwrap();
        self.containerd.cri.remove_pod(&pod.id).unwrap();
    }

    /// One pod's one try to get the page at an address.
    pub(crate) fn fetch(&mut self, from: &Pod, to: IpAddr) -> Result<(), String> {
        self.get(from, &url(to))
    }

    /// One pod's one try to get the page of this name.
    pub(crate) fn get(&mut self, from: &Pod, url: &str) -> Result<(), String> {
        // Not by wget's own time-out: that of the static busybox in Debian 12 ends with a crash.
        let line = format!("timeout 2 wget -q -O - {url}");
        let page = self.exec(from, &line)?;
        assert_eq!(page, image::ANSWER);
        Ok(())
    }

    /// Asserts that one pod gets the other's page and is answered its echo requests, at every address.
    #[track_caller]
    pub(crate) fn assert_reaches(&mut self, from: &Pod, to: &Pod) {
        for address in &to.addresses {
            until(|| self.fetch(from, *address));
            self.ping(from, *address).unwrap();
        }
    }

    /// One pod's one try to be answered by an address.
    pub(crate) fn ping(&mut self, from: &Pod, to: IpAddr) -> Result<(), String> {
        let line = format!("ping -c 1 -W 2 {to}");
        self.exec(from, &line).map(drop)
    }

    fn exec(&mut self, pod: &Pod, line: &str) -> Result<String, String> {
        let said = self.containerd.cri.exec(&pod.container, line).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if said.exit_code == 0 {
            return Ok(text(&said.stdout));
        }
        Err(format!(
            "{line}: code {}: {} {}",
            said.exit_code,
            text(&said.stdout),
            text(&said.stderr)
        ))
    }

    /// Runs `ctr`.
    pub(crate) fn ctr(&self, arguments: &str) -> String {
        self.containerd.ctr(arguments)
    }
}

fn url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("http://{address}/"),
        IpAddr::V6(address) => format!("http://[{address}]/"),
    }
}
