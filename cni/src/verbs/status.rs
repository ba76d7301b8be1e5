//! STATUS: whether an ADD could work now. It waits for nothing, and compiles nothing.

use ep_builder::lifecycle::Endpoints;

use super::addresses::{Addresses, Patience};
use super::failures;
use super::node::Node;
use super::rights;
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
    ready(request, environment, log).map_err(|reason| {
        // Whatever it is in itself, to this question it is the answer "no".
        Error::from(Failure::new(Kind::Unavailable, "no pod can be wired now").source(reason))
    })?;
    Ok(Reply::Done)
}

fn ready(request: &Status, environment: &Environment, log: &mut CallLog) -> Result<(), Failure> {
    let conf = &request.conf.common;
    rights::check()?;
    let node = Node::open(conf.settings.as_deref(), log)?;
    let builder = node.builder()?;
    let options = &node.settings.endpoint.options;
    let ready = Endpoints::new(&builder, &node.store).ready(options);
    ready.map_err(failures::lifecycle("attach a pod's programs"))?;
    log.timeline.mark("datapath");
    Addresses::new(&node, conf, &request.path, environment, Patience::Least).status()?;
    log.timeline.mark("addresses");
    Ok(())
}
