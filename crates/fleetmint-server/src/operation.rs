//! The names of what the service does, used alike as the label in metrics, the action in the audit trail and the
//! operation id in the OpenAPI document.

macro_rules! operations {
    (calls { $($call:ident = $call_name:literal,)* } others { $($other:ident = $other_name:literal,)* }) => {
        /// An operation of the service, or of the program beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($call,)* $($other,)* }

        impl Operation {
            /// What a caller can ask of the service, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$call,)*];

            /// What no call asks for: the work of a command, or the server's own when it starts. It is in the audit
            /// trail alone.
            pub const OTHERS: &[Self] = &[$(Self::$other,)*];

            /// The name in metrics, audit trail and OpenAPI document.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$call => $call_name,)* $(Self::$other => $other_name,)* }
            }
        }
    };
}

operations! { calls {
    CreateDeviceModel = "create_device_model",
    ListDeviceModels = "list_device_models",
    GetDeviceModel = "get_device_model",
    UpdateDeviceModel = "update_device_model",
    DeleteDeviceModel = "delete_device_model",
    CreateDevice = "create_device",
    ListDevices = "list_devices",
    GetDevice = "get_device",
    UpdateDevice = "update_device",
    DeleteDevice = "delete_device",
    GetProvisioning = "get_provisioning",
    PatchProvisioning = "patch_provisioning",
    GetIdentity = "get_identity",
    SyncIdentity = "sync_identity",
    DisableIdentity = "disable_identity",
    EnableIdentity = "enable_identity",
    ListAudit = "list_audit",
    IssueToken = "issue_token",
    GetDiscovery = "get_discovery",
    GetJwks = "get_jwks",
    GetOpenapi = "get_openapi",
    GetMetrics = "get_metrics",
    GetLivez = "get_livez",
    GetReadyz = "get_readyz",
} others {
    ResetAdminToken = "reset_admin_token",
    BackUpDatabase = "back_up_database",
    SetMasterKey = "set_master_key",
    CreateSigningKey = "create_signing_key",
    CreateAdminToken = "create_admin_token",
    SetAdminToken = "set_admin_token",
    KeepAdminToken = "keep_admin_token",
    SealUserinfo = "seal_userinfo",
} }
