//! What the CNI project's library does with a list, for tests that want a runtime's semantics without one.

mod list;

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::process::Stdio;

use serde_json::{Map, Value, json};
use weir_tests::process;

use crate::host::Host;
pub(crate) use list::List;
use list::Purpose;

const FOLDER: &str = "/usr/lib/cni";

/// An interface of a container.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// The container.
    pub(crate) id: String,
    /// The path of its namespace; empty when there is none any more.
    pub(crate) netns: String,
    /// The value of `CNI_ARGS`.
    pub(crate) args: String,
    /// Arguments by capability.
    pub(crate) arguments: Map<String, Value>,
}

/// A plugin that refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which plugin of the list.
    pub(crate) plugin: String,
    /// The code of its error object.
    pub(crate) code: u64,
    /// Its message with its details.
    pub(crate) text: String,
}

/// A list on a node, and the results that its attachments have in the cache.
pub(crate) struct Driver<'host> {
    host: &'host Host<'host>,
    list: List,
    cache: BTreeMap<String, (Attachment, Value)>,
}

impl Attachment {
    /// An interface `eth0` of a container in a namespace that is made for it.
    pub(crate) fn new(host: &Host<'_>, id: &str) -> Self {
        host.run(&format!("ip netns add {id}"));
        Self {
            id: id.into(),
            netns: format!("/run/netns/{id}"),
            args: format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={id}"),
            arguments: Map::new(),
        }
    }

    /// The same with an argument for a capability.
    pub(crate) fn with(mut self, capability: &str, value: Value) -> Self {
        self.arguments.insert(capability.into(), value);
        self
    }
}

impl<'host> Driver<'host> {
    /// For this list, by a library that knows the protocol up to the version.
    pub(crate) fn new(host: &'host Host<'host>, list: &Value, newest: &str) -> Self {
        let list = List::load(list, newest);
        let cache = BTreeMap::new();
        Self { host, list, cache }
    }

    /// ADD through the chain. What fails anywhere is not in the cache.
    pub(crate) fn add(&mut self, attachment: &Attachment) -> Result<Value, Refusal> {
        let mut result = None;
        for plugin in &self.list.plugins {
            let purpose = Purpose {
                arguments: Some(&attachment.arguments),
                previous: result.as_ref(),
                valid: None,
            };
            let said = self.ask("ADD", plugin, Some(attachment), purpose)?;
            result = Some(said.expect("ADD has a result"));
        }
        let result = result.expect("a list has a plugin");
        let entry = (attachment.clone(), result.clone());
        self.cache.insert(attachment.id.clone(), entry);
        Ok(result)
    }

    /// CHECK through the chain, each with the whole result.
    pub(crate) fn check(&self, attachment: &Attachment) -> Result<(), Refusal> {
        if !self.list.checks() {
            return Ok(());
        }
        for plugin in &self.list.plugins {
            self.ask("CHECK", plugin, Some(attachment), self.cached(attachment))?;
        }
        Ok(())
    }

    /// DEL through the chain, backwards. The first that refuses ends it.
    pub(crate) fn del(&mut self, attachment: &Attachment) -> Result<(), Refusal> {
        for plugin in self.list.plugins.iter().rev() {
            let mut purpose = self.cached(attachment);
            if !self.list.speaks("0.4.0") {
                purpose.previous = None;
            }
            self.ask("DEL", plugin, Some(attachment), purpose)?;
        }
        self.cache.remove(&attachment.id);
        Ok(())
    }

    /// GC. What is in the cache and not valid gets a DEL first. Without a list of valid attachments everything
    /// does, and the plugins see no list either.
    pub(crate) fn gc(&mut self, valid: Option<&[&Attachment]>) -> Result<(), Refusal> {
        let ids: Option<Vec<_>> = valid.map(|all| all.iter().map(|it| &it.id).collect());
        let is_valid = |id: &String| ids.as_ref().is_some_and(|ids| ids.contains(&id));
        let stale = self.cache.values().map(|(attachment, _)| attachment);
        let stale: Vec<_> = stale.filter(|it| !is_valid(&it.id)).cloned().collect();
        for attachment in &stale {
            self.del(attachment)?;
        }
        self.collect(valid)
    }

    /// The GC that plugins see, alone: as after a loss of the cache.
    pub(crate) fn collect(&self, valid: Option<&[&Attachment]>) -> Result<(), Refusal> {
        let valid = valid.map(|valid| {
            let rows = valid.iter();
            let rows = rows.map(|it| json!({ "containerID": it.id, "ifname": "eth0" }));
            let rows: Vec<_> = rows.collect();
            // The library marshals an empty list as null.
            if rows.is_empty() {
                Value::Null
            } else {
                rows.into()
            }
        });
        let purpose = Purpose {
            valid: valid.as_ref(),
            ..Purpose::default()
        };
        self.ask_all("GC", purpose)
    }

    /// STATUS of every plugin.
    pub(crate) fn status(&self) -> Result<(), Refusal> {
        self.ask_all("STATUS", Purpose::default())
    }

    fn ask_all(&self, command: &str, purpose: Purpose<'_>) -> Result<(), Refusal> {
        if !self.list.collects() {
            return Ok(());
        }
        for plugin in &self.list.plugins {
            self.ask(command, plugin, None, purpose)?;
        }
        Ok(())
    }

    fn cached<'a>(&'a self, attachment: &'a Attachment) -> Purpose<'a> {
        let entry = self.cache.get(&attachment.id);
        Purpose {
            arguments: Some(&attachment.arguments),
            previous: entry.map(|(_, result)| result),
            valid: None,
        }
    }

    /// Runs one plugin. All variables are always set, empty where there is nothing to say.
    fn ask(
        &self,
        command: &str,
        plugin: &Map<String, Value>,
        attachment: Option<&Attachment>,
        purpose: Purpose<'_>,
    ) -> Result<Option<Value>, Refusal> {
        let name = plugin["type"].as_str().expect("a plugin has a type");
        let mut stdin = tempfile::tempfile().unwrap();
        let conf = self.list.derive(plugin, purpose);
        stdin.write_all(conf.to_string().as_bytes()).unwrap();
        stdin.rewind().unwrap();
        let of = |field: fn(&Attachment) -> &str| attachment.map(field).unwrap_or_default();
        let mut process = self.host.command(&format!("{FOLDER}/{name}"));
        process
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", of(|it| &it.id))
            .env("CNI_NETNS", of(|it| &it.netns))
            .env("CNI_IFNAME", of(|_| "eth0"))
            .env("CNI_ARGS", of(|it| &it.args))
            .env("CNI_PATH", FOLDER)
            .stdin(Stdio::from(stdin));
        let said = process::run(&mut process);
        if said.code == Some(0) {
            return Ok(serde_json::from_str(&said.stdout).ok());
        }
        let error: Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        let word = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        Err(Refusal {
            plugin: name.to_owned(),
            code: error["code"].as_u64().unwrap_or_default(),
            text: format!("{}; {}; {}", word("msg"), word("details"), said.stderr),
        })
    }
}
