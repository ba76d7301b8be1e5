//! The container runtime interface, as a kubelet speaks it.

pub(crate) mod messages;

use std::path::Path;

use prost::Message;
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use messages::{
    ContainerConfig, CreateContainer, ExecSync, ExecSyncResponse, Id, Nothing, PodConfig,
    PodStatus, PodStatusResponse, RunPod, RuntimeStatus, StatusResponse,
};

/// A connection to a runtime.
pub(crate) struct Cri {
    runtime: Runtime,
    client: Grpc<Channel>,
}

impl Cri {
    /// Connects to a socket, if somebody listens there.
    pub(crate) fn connect(socket: &Path) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime of the client can be made");
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()));
        let endpoint = endpoint.expect("a socket has an address");
        let channel = runtime.block_on(endpoint.connect()).ok()?;
        let client = Grpc::new(channel);
        Some(Self { runtime, client })
    }

    /// What the runtime says of itself.
    pub(crate) fn status(&mut self) -> Result<RuntimeStatus, Status> {
        let answer: StatusResponse = self.call("Status", Nothing {})?;
        Ok(answer.status.unwrap_or_default())
    }

    /// Makes a pod.
    pub(crate) fn run_pod(&mut self, config: PodConfig) -> Result<String, Status> {
        let config = Some(config);
        let answer: Id = self.call("RunPodSandbox", RunPod { config })?;
        Ok(answer.id)
    }

    /// Ends a pod's processes and its network.
    pub(crate) fn stop_pod(&mut self, id: &str) -> Result<(), Status> {
        self.call_on("StopPodSandbox", id)
    }

    /// Forgets a pod.
    pub(crate) fn remove_pod(&mut self, id: &str) -> Result<(), Status> {
        self.call_on("RemovePodSandbox", id)
    }

    /// What a pod is.
    pub(crate) fn pod(&mut self, id: &str) -> Result<PodStatus, Status> {
        let id = id.to_owned();
        let answer: PodStatusResponse = self.call("PodSandboxStatus", Id { id })?;
        Ok(answer.status.unwrap_or_default())
    }

    /// Makes and starts a container of a pod.
    pub(crate) fn start(
        &mut self,
        pod: &str,
        container: ContainerConfig,
        config: PodConfig,
    ) -> Result<String, Status> {
        let request = CreateContainer {
            pod_sandbox_id: pod.to_owned(),
            config: Some(container),
            sandbox_config: Some(config),
        };
        let made: Id = self.call("CreateContainer", request)?;
        self.call_on("StartContainer", &made.id)?;
        Ok(made.id)
    }

    /// Runs a command in a container to its end.
    pub(crate) fn exec(&mut self, container: &str, line: &str) -> Result<ExecSyncResponse, Status> {
        let request = ExecSync {
            container_id: container.to_owned(),
            cmd: line.split_whitespace().map(str::to_owned).collect(),
            timeout: 30,
        };
        self.call("ExecSync", request)
    }

    fn call_on(&mut self, method: &str, id: &str) -> Result<(), Status> {
        let id = id.to_owned();
        let _nothing: Nothing = self.call(method, Id { id })?;
        Ok(())
    }

    fn call<Q, A>(&mut self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let path = path.parse().expect("a method is a path");
        let client = &mut self.client;
        self.runtime.block_on(async {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = client.unary(Request::new(request), path, codec).await?;
            Ok(answer.into_inner())
        })
    }
}
