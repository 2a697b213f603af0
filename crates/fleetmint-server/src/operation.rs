//! What the service does, as one table: each operation's name, its method and path, who may call it, and whether its
//! answer holds a secret.
//!
//! The name is the label in metrics, the action in the audit trail and the operation id in the OpenAPI document. The router
//! serves each call at its path and attaches the operation to the request. Whatever authorizes, counts or logs the call
//! reads it there.

use axum::http::Method;

/// What a caller is allowed to do. Each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Administrator,
}

impl Role {
    /// The name in the OpenAPI document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
        }
    }

    /// Whether a caller with this role may call the operation.
    pub fn may(self, operation: Operation) -> bool {
        match operation.call().map(|call| call.who) {
            Some(Who::Everybody) => true,
            Some(Who::Role(least)) => self >= least,
            None => false,
        }
    }
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody, without a token.
    Everybody,
    /// Callers with this role or a higher one.
    Role(Role),
}

/// How an operation is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// The path's template, such as `/api/devices/{id}`.
    pub path: &'static str,
    pub who: Who,
    /// Whether the answer holds a secret, or says whether a guess of one is right. It is never stored by caches and never compressed then.
    pub discloses: bool,
}

impl Call {
    const fn new(method: Method, path: &'static str, who: Who) -> Self {
        Self {
            method,
            path,
            who,
            discloses: false,
        }
    }

    /// A call whose answer holds a secret.
    const fn disclosing(method: Method, path: &'static str, who: Who) -> Self {
        Self {
            method,
            path,
            who,
            discloses: true,
        }
    }
}

macro_rules! operations {
    (calls { $($call:ident = $call_name:literal, $how:expr;)* } page { $($page:ident = $page_name:literal;)* } others { $($other:ident = $other_name:literal;)* }) => {
        /// An operation of the service, or of the program beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($call,)* $($page,)* $($other,)* }

        impl Operation {
            /// What callers can ask of the service, in the order of declaration.
            pub const CALLS: &[Self] = &[$(Self::$call,)*];

            /// The page's files, which are at many paths and in no document. They are counted as one operation.
            pub const PAGE: &[Self] = &[$(Self::$page,)*];

            /// The work of commands, and what the server does when it starts. It appears in the audit trail only.
            pub const OTHERS: &[Self] = &[$(Self::$other,)*];

            /// The name in metrics, audit trail and OpenAPI document.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$call => $call_name,)* $(Self::$page => $page_name,)* $(Self::$other => $other_name,)* }
            }

            /// The path's template; empty if it is not a call.
            pub fn path(self) -> &'static str {
                self.call().map(|call| call.path).unwrap_or_default()
            }

            /// The path for the resource with this id.
            pub fn path_of(self, id: i64) -> String {
                self.path().replace("{id}", &id.to_string())
            }

            /// How it is called; `None` if it is not a call.
            pub const fn call(self) -> Option<&'static Call> {
                match self {
                    $(Self::$call => {
                        const CALL: &Call = &$how;
                        Some(CALL)
                    })*
                    $(Self::$page)|* | $(Self::$other)|* => None,
                }
            }
        }
    };
}

const ADMINISTRATOR: Who = Who::Role(Role::Administrator);
const EVERYBODY: Who = Who::Everybody;

operations! { calls {
    CreateDeviceModel = "create_device_model", Call::new(Method::POST, "/api/device-models", ADMINISTRATOR);
    ListDeviceModels = "list_device_models", Call::new(Method::GET, "/api/device-models", ADMINISTRATOR);
    GetDeviceModel = "get_device_model", Call::new(Method::GET, "/api/device-models/{id}", ADMINISTRATOR);
    UpdateDeviceModel = "update_device_model", Call::new(Method::PATCH, "/api/device-models/{id}", ADMINISTRATOR);
    DeleteDeviceModel = "delete_device_model", Call::new(Method::DELETE, "/api/device-models/{id}", ADMINISTRATOR);
    CreateDevice = "create_device", Call::new(Method::POST, "/api/devices", ADMINISTRATOR);
    ListDevices = "list_devices", Call::new(Method::GET, "/api/devices", ADMINISTRATOR);
    GetDevice = "get_device", Call::new(Method::GET, "/api/devices/{id}", ADMINISTRATOR);
    UpdateDevice = "update_device", Call::new(Method::PATCH, "/api/devices/{id}", ADMINISTRATOR);
    DeleteDevice = "delete_device", Call::new(Method::DELETE, "/api/devices/{id}", ADMINISTRATOR);
    GetProvisioning = "get_provisioning",
        Call::disclosing(Method::GET, "/api/devices/{id}/provisioning", ADMINISTRATOR);
    PatchProvisioning = "patch_provisioning",
        Call::disclosing(Method::POST, "/api/devices/{id}/provisioning/patch", ADMINISTRATOR);
    VerifyProvisioning = "verify_provisioning",
        Call::disclosing(Method::POST, "/api/devices/{id}/provisioning/verify", ADMINISTRATOR);
    BeginFlash = "begin_flash", Call::new(Method::POST, "/api/devices/{id}/flashes", ADMINISTRATOR);
    ListFlashes = "list_flashes", Call::new(Method::GET, "/api/devices/{id}/flashes", ADMINISTRATOR);
    GetFlash = "get_flash", Call::new(Method::GET, "/api/devices/{id}/flashes/{n}", ADMINISTRATOR);
    EndFlash = "end_flash", Call::new(Method::PATCH, "/api/devices/{id}/flashes/{n}", ADMINISTRATOR);
    ListBoards = "list_boards", Call::new(Method::GET, "/api/boards", ADMINISTRATOR);
    GetBoard = "get_board", Call::new(Method::GET, "/api/boards/{mac}", ADMINISTRATOR);
    ListBoardFlashes = "list_board_flashes", Call::new(Method::GET, "/api/boards/{mac}/flashes", ADMINISTRATOR);
    GetIdentity = "get_identity", Call::new(Method::GET, "/api/devices/{id}/identity", ADMINISTRATOR);
    SyncIdentity = "sync_identity", Call::new(Method::POST, "/api/devices/{id}/identity/sync", ADMINISTRATOR);
    DisableIdentity = "disable_identity", Call::new(Method::POST, "/api/devices/{id}/identity/disable", ADMINISTRATOR);
    EnableIdentity = "enable_identity", Call::new(Method::POST, "/api/devices/{id}/identity/enable", ADMINISTRATOR);
    GetSettings = "get_settings", Call::new(Method::GET, "/api/settings", ADMINISTRATOR);
    GetDeviceModelSettings = "get_device_model_settings",
        Call::new(Method::GET, "/api/device-models/{id}/settings", ADMINISTRATOR);
    GetDeviceSettings = "get_device_settings", Call::new(Method::GET, "/api/devices/{id}/settings", ADMINISTRATOR);
    CreateSession = "create_session", Call::disclosing(Method::POST, "/api/session", EVERYBODY);
    GetSession = "get_session", Call::new(Method::GET, "/api/session", ADMINISTRATOR);
    DeleteSession = "delete_session", Call::disclosing(Method::DELETE, "/api/session", ADMINISTRATOR);
    GetBackupKey = "get_backup_key", Call::disclosing(Method::GET, "/api/session/backup-key", ADMINISTRATOR);
    ListAudit = "list_audit", Call::new(Method::GET, "/api/audit", ADMINISTRATOR);
    IssueToken = "issue_token", Call::disclosing(Method::POST, "/oauth2/token", EVERYBODY);
    GetDiscovery = "get_discovery", Call::new(Method::GET, "/.well-known/openid-configuration", EVERYBODY);
    GetJwks = "get_jwks", Call::new(Method::GET, "/.well-known/jwks.json", EVERYBODY);
    GetOpenapi = "get_openapi", Call::new(Method::GET, "/api/openapi.json", EVERYBODY);
    GetMetrics = "get_metrics", Call::new(Method::GET, "/metrics", EVERYBODY);
    GetLivez = "get_livez", Call::new(Method::GET, "/livez", EVERYBODY);
    GetReadyz = "get_readyz", Call::new(Method::GET, "/readyz", EVERYBODY);
} page {
    GetPage = "get_page";
} others {
    ResetAdminToken = "reset_admin_token";
    BackUpDatabase = "back_up_database";
    SetMasterKey = "set_master_key";
    CreateSigningKey = "create_signing_key";
    CreateAdminToken = "create_admin_token";
    SetAdminToken = "set_admin_token";
    KeepAdminToken = "keep_admin_token";
    SealUserinfo = "seal_userinfo";
} }
