//! The routes of the OpenAPI document: their operations by method, and the header `Allow`.

use axum::http::{HeaderValue, Method};

use crate::operation::Operation;

/// The methods of the whole service, for `OPTIONS *`.
pub(super) const ALL_METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST");

/// The methods of a route that is only read, as those outside the document are.
pub(super) const READ_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The routes of the service.
#[derive(Debug)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// Their indexes by path, matched as the router matches them.
    by_path: matchit::Router<usize>,
}

/// One path of the OpenAPI document.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) template: String,
    operations: Vec<(Method, Operation)>,
    /// The methods of the path.
    pub(super) allow: HeaderValue,
}

impl Routes {
    /// The operations are those of the OpenAPI document, so what is documented is measured, under the same name.
    pub(super) fn new(document: &utoipa::openapi::OpenApi) -> Self {
        let routes: Vec<Route> = document
            .paths
            .paths
            .iter()
            .map(|(path, item)| {
                let methods = [
                    (Method::DELETE, &item.delete),
                    (Method::GET, &item.get),
                    (Method::PATCH, &item.patch),
                    (Method::POST, &item.post),
                    (Method::PUT, &item.put),
                ];
                let operations = methods.into_iter().filter_map(|(method, documented)| {
                    let id = documented.as_ref()?.operation_id.as_deref();
                    let operation = Operation::ALL.iter().find(|operation| Some(operation.name()) == id);
                    operation.map(|&operation| (method, operation))
                });
                let operations: Vec<_> = operations.collect();
                Route {
                    template: path.clone(),
                    allow: allow(&operations),
                    operations,
                }
            })
            .collect();
        let mut by_path = matchit::Router::new();
        for (index, route) in routes.iter().enumerate() {
            // The service's own router takes the same templates, and panics at one that it cannot take.
            if let Err(error) = by_path.insert(&route.template, index) {
                tracing::error!(template = route.template, %error, "a route is not counted");
            }
        }
        Self { routes, by_path }
    }

    /// The index of the route that a path belongs to.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.by_path.at(path).ok().map(|matched| *matched.value)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Route> {
        self.routes.get(index)
    }
}

impl Route {
    pub(super) fn has(&self, method: &Method) -> bool {
        self.operation(method).is_some()
    }

    pub(super) fn operation(&self, method: &Method) -> Option<Operation> {
        // A HEAD is answered by the GET's handler.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let known = self.operations.iter().find(|(known, _)| known == method);
        known.map(|(_, operation)| *operation)
    }
}

fn allow(operations: &[(Method, Operation)]) -> HeaderValue {
    let mut names: Vec<&str> = operations.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(ALL_METHODS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_path_and_method() {
        let document = serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0", "info": {"title": "", "version": ""},
            "paths": {
                "/api/devices": {
                    "get": {"operationId": "list_devices", "responses": {}},
                    "post": {"operationId": "create_device", "responses": {}},
                },
                "/api/devices/{id}": {"get": {"operationId": "get_device", "responses": {}}},
                "/api/devices/{id}/provisioning": {"get": {"operationId": "get_provisioning", "responses": {}}},
            },
        }));
        let routes = Routes::new(&document.unwrap());
        let route = |path| routes.find(path).and_then(|index| routes.get(index));
        let operation = |method, path| route(path).and_then(|route| route.operation(&method));
        assert_eq!(operation(Method::GET, "/api/devices"), Some(Operation::ListDevices));
        assert_eq!(operation(Method::POST, "/api/devices"), Some(Operation::CreateDevice));
        assert_eq!(operation(Method::HEAD, "/api/devices/7"), Some(Operation::GetDevice));
        assert_eq!(operation(Method::POST, "/api/devices/7"), None);
        assert_eq!(operation(Method::GET, "/api/devices/"), None);
        assert_eq!(operation(Method::GET, "/api/docs/index.html"), None);
        let allow = |path| route(path).unwrap().allow.clone();
        assert_eq!(allow("/api/devices"), "GET, HEAD, OPTIONS, POST");
        assert_eq!(allow("/api/devices/7"), "GET, HEAD, OPTIONS");
        assert_eq!(
            route("/api/devices/7/provisioning").unwrap().template,
            "/api/devices/{id}/provisioning"
        );
    }
}
