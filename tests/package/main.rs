//! What is shipped: the release, the package, the image and the manifests around it, made by `.ci/package` from the
//! binaries of this build, badly packed and with the templates of the configuration alone; with `WEIR_LONG=1` as they
//! are shipped, which takes its time. `docs/packages.md` says what each holds.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod bare;
#[cfg(test)]
#[path = "../runtime/cgroup.rs"]
mod cgroup;
#[cfg(test)]
mod containerd;
#[cfg(test)]
mod deb;
#[cfg(test)]
mod image;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod podman;
#[cfg(test)]
mod private;
#[cfg(test)]
mod release;
#[cfg(test)]
mod same;
#[cfg(test)]
mod sbom;
#[cfg(test)]
mod shells;
