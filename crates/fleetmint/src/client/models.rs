//! Calls for device models.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::connection::{Call, Server};
use super::error::Error;
use super::overrides::OverridesChange;
use super::page;

/// A device model as the server shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) id: i64,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) provisioning: Map<String, Value>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// What a later version of the server adds.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub(crate) struct NewModel<'a> {
    pub(crate) code: &'a str,
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "OverridesChange::is_empty")]
    pub(crate) provisioning: &'a OverridesChange,
}

/// What is `None` stays as it is.
#[derive(Debug, Serialize)]
pub(crate) struct ModelChange<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "OverridesChange::is_empty")]
    pub(crate) provisioning: &'a OverridesChange,
}

const PATH: [&str; 2] = ["api", "device-models"];

impl Server {
    /// All models in the order of their ids, or in the one that `sort` names, that contain the text `search`.
    pub(crate) fn models(&self, search: Option<&str>, sort: Option<&str>, most: usize) -> Result<Vec<Model>, Error> {
        let query: Vec<(&str, &str)> = [("q", search), ("sort", sort)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        page::list(self, &PATH, &query, most)
    }

    /// The model with this id or code.
    ///
    /// # Errors
    /// There is none, or the text is the id of one model and the code of another.
    pub(crate) fn model(&self, reference: &str) -> Result<Model, Error> {
        // A code that is part of another's is found too, hence all of them.
        let found = self.models(Some(reference), None, usize::MAX)?;
        let by_code = found.into_iter().find(|model| model.code == reference);
        let by_id = match page::id(reference) {
            Some(id) => self.model_with_id(id)?,
            None => None,
        };
        choose(reference, by_id, by_code)
    }

    /// The model with this id, if there is one.
    pub(crate) fn model_with_id(&self, id: i64) -> Result<Option<Model>, Error> {
        let [api, models] = PATH;
        match self.call(Call::get(&[api, models, &id.to_string()])) {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.is("not-found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn create_model(&self, new: &NewModel<'_>) -> Result<Model, Error> {
        self.create(&PATH, new, None)?.json()
    }

    pub(crate) fn change_model(&self, id: i64, change: &ModelChange<'_>) -> Result<Model, Error> {
        let [api, models] = PATH;
        let id = id.to_string();
        self.call(Call::sending(Method::PATCH, &[api, models, &id], change)?)?
            .json()
    }

    pub(crate) fn delete_model(&self, id: i64) -> Result<(), Error> {
        let [api, models] = PATH;
        self.call(Call::new(Method::DELETE, &[api, models, &id.to_string()]))?;
        Ok(())
    }
}

/// The models of a server, to look up many without a call for each.
#[derive(Debug)]
pub(crate) struct Models(BTreeMap<i64, Model>);

impl Models {
    pub(crate) fn all(server: &Server) -> Result<Self, Error> {
        let all = server.models(None, None, usize::MAX)?;
        Ok(Self(all.into_iter().map(|model| (model.id, model)).collect()))
    }

    /// The code of a model; its id if it was created in the meantime.
    pub(crate) fn code(&self, id: i64) -> String {
        self.0
            .get(&id)
            .map_or_else(|| id.to_string(), |model| model.code.clone())
    }

    /// The model with this id or code.
    ///
    /// # Errors
    /// See [`Server::model`].
    pub(crate) fn find(&self, reference: &str) -> Result<Model, Error> {
        let by_id = page::id(reference).and_then(|id| self.0.get(&id));
        let by_code = self.0.values().find(|model| model.code == reference);
        choose(reference, by_id.cloned(), by_code.cloned())
    }
}

fn choose(reference: &str, by_id: Option<Model>, by_code: Option<Model>) -> Result<Model, Error> {
    match (by_id, by_code) {
        (Some(one), Some(other)) if one.id != other.id => Err(Error::No(format!(
            "{reference} is the id of the model {} and the code of the model with the id {}: name the one that is meant \
             by its other name",
            one.code, other.id
        ))),
        (Some(model), _) | (None, Some(model)) => Ok(model),
        (None, None) => Err(Error::No(format!(
            "there is no device model with the id or code {reference}"
        ))),
    }
}
