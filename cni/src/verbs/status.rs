//! STATUS: whether an ADD could work now. It waits for nothing, and compiles nothing.

use ep_builder::lifecycle::Endpoints;

use super::addresses::{Addresses, Patience};
use super::node::Node;
use super::rights;
use super::{failures, host};
use crate::error::{Error, Failure, Kind};
use crate::log::CallLog;
use crate::reply::Reply;
use crate::request::{Environment, Status};

/// Says whether an ADD could work, and if not, why.
pub(crate) fn status(
    request: &Status,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<Reply, Error> {
    ready(request, environment, log).map_err(|(kind, reason)| {
        // Whatever it is in itself, to this question it is the answer "no".
        Error::from(Failure::new(kind, "no pod can be wired now").source(reason))
    })?;
    Ok(Reply::Done)
}

fn ready(
    request: &Status,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<(), (Kind, Failure)> {
    let unavailable = |failure| (Kind::Unavailable, failure);
    let conf = &request.conf.common;
    rights::check().map_err(unavailable)?;
    let node = Node::open(conf.settings.as_deref(), log).map_err(unavailable)?;
    datapath(&node)?;
    host::possible(&node, &request.conf).map_err(unavailable)?;
    log.timeline.mark("datapath");
    let addresses = Addresses::new(&node, conf, &request.path, environment, Patience::Least);
    addresses.status().map_err(unavailable)?;
    log.timeline.mark("addresses");
    Ok(())
}

fn datapath(node: &Node) -> Result<(), (Kind, Failure)> {
    let builder = node
        .builder()
        .map_err(|failure| (Kind::Unavailable, failure))?;
    let options = &node.settings.endpoint.options;
    let ready = Endpoints::new(&builder, &node.store).ready(options);
    ready.map_err(|error| {
        // Without their pins the pods that are there cannot be changed, nor be told from lost ones.
        let has_pods = node.attachments.list().is_ok_and(|notes| !notes.is_empty());
        let kind = if error.lacks_file_system() && has_pods {
            Kind::Impaired
        } else {
            Kind::Unavailable
        };
        (kind, failures::lifecycle("attach a pod's programs")(error))
    })
}
