//! The part of the interface `runtime.v1` that the tests speak. The numbers of the fields are the protocol;
//! what is left out here is skipped on the wire.

use std::collections::HashMap;

use prost::Message;

/// Texts by name.
pub(crate) type Texts = HashMap<String, String>;

/// Names of a pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodMetadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    #[prost(string, tag = "3")]
    pub(crate) namespace: String,
}

/// A port of the node for one of the pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PortMapping {
    /// 0 is TCP.
    #[prost(int32, tag = "1")]
    pub(crate) protocol: i32,
    #[prost(int32, tag = "2")]
    pub(crate) container_port: i32,
    #[prost(int32, tag = "3")]
    pub(crate) host_port: i32,
}

/// What is Linux's own in a pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxPod {
    #[prost(string, tag = "1")]
    pub(crate) cgroup_parent: String,
}

/// What a pod shall be.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) metadata: Option<PodMetadata>,
    #[prost(string, tag = "2")]
    pub(crate) hostname: String,
    #[prost(string, tag = "3")]
    pub(crate) log_directory: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) port_mappings: Vec<PortMapping>,
    #[prost(map = "string, string", tag = "7")]
    pub(crate) annotations: Texts,
    #[prost(message, optional, tag = "8")]
    pub(crate) linux: Option<LinuxPod>,
}

/// Makes a pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RunPod {
    #[prost(message, optional, tag = "1")]
    pub(crate) config: Option<PodConfig>,
}

/// The answer to what makes something, and all of a request about one pod or one container.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Id {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
}

/// The answer to what answers nothing.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Nothing {}

/// A further address of a pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodIp {
    #[prost(string, tag = "1")]
    pub(crate) ip: String,
}

/// The addresses of a pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodNetwork {
    #[prost(string, tag = "1")]
    pub(crate) ip: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) additional_ips: Vec<PodIp>,
}

/// What a pod is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodStatus {
    /// 0 is ready.
    #[prost(int32, tag = "3")]
    pub(crate) state: i32,
    #[prost(message, optional, tag = "5")]
    pub(crate) network: Option<PodNetwork>,
}

/// The answer about one pod.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<PodStatus>,
}

/// An image.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub(crate) image: String,
}

/// Names of a container.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerMetadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// What a container shall be.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    pub(crate) image: Option<ImageSpec>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) command: Vec<String>,
    #[prost(string, tag = "11")]
    pub(crate) log_path: String,
}

/// Makes a container.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateContainer {
    #[prost(string, tag = "1")]
    pub(crate) pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    pub(crate) sandbox_config: Option<PodConfig>,
}

/// Runs a command in a container.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExecSync {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) cmd: Vec<String>,
    /// In seconds.
    #[prost(int64, tag = "3")]
    pub(crate) timeout: i64,
}

/// How it ended.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExecSyncResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) stdout: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) stderr: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub(crate) exit_code: i32,
}

/// Whether the runtime is ready for pods.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<RuntimeStatus>,
}

/// What must hold for that.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RuntimeStatus {
    #[prost(message, repeated, tag = "1")]
    pub(crate) conditions: Vec<Condition>,
}

/// Whether one thing holds.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Condition {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(bool, tag = "2")]
    pub(crate) status: bool,
    #[prost(string, tag = "4")]
    pub(crate) message: String,
}
