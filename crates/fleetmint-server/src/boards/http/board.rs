//! The calls that read boards.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use super::Flash;
use super::schemas::{chip, mac_in_request, state};
use crate::access::Caller;
use crate::app::App;
use crate::boards::{self, BoardSort, Carried, Error, FlashSort, FlashState, Mac};
use crate::devices;
use crate::http::extract::Query;
use crate::http::page::{ListParameters, Page, listing, only_listing};
use crate::http::problem::Problem;
use crate::http::schema;
use crate::http::time::Time;

/// A board in the list of all boards.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedBoard {
    /// The MAC of its chip.
    #[schema(schema_with = devices::http::mac)]
    mac: String,
    #[schema(schema_with = chip)]
    chip: String,
    /// The device that it carries; `null` if there is none.
    #[schema(required)]
    device: Option<CarriedDevice>,
    /// When the flash ended that put the device there. `null` if there is no device, if the flash's end was never reported, or
    /// if it failed after it had begun to write: it is then unknown what the board holds.
    #[schema(schema_with = schema::optional_time)]
    flashed_at: Option<Time>,
    /// Its newest flash.
    last_flash: Flash,
}

/// The device that a board carries.
#[derive(Serialize, ToSchema)]
pub(crate) struct CarriedDevice {
    #[schema(schema_with = schema::id)]
    id: i64,
    #[schema(example = "k3v9x0qa")]
    key: String,
    #[schema(example = "Kitchen")]
    name: String,
}

/// A board.
#[derive(Serialize, ToSchema)]
pub(crate) struct Board {
    /// The MAC of its chip.
    #[schema(schema_with = devices::http::mac)]
    mac: String,
    #[schema(schema_with = chip)]
    chip: String,
    /// The device that it carries; `null` if there is none.
    #[schema(required)]
    device: Option<CarriedDevice>,
    /// When the flash ended that put the device there. `null` if there is no device, if the flash's end was never reported, or
    /// if it failed after it had begun to write: it is then unknown what the board holds.
    #[schema(schema_with = schema::optional_time)]
    flashed_at: Option<Time>,
    /// Its newest 50 flashes, newest first, those of deleted devices too.
    flashes: Vec<Flash>,
}

/// The device that a board carries, and since when.
fn carried(carried: Option<Carried>) -> (Option<CarriedDevice>, Option<Time>) {
    let flashed_at = carried.as_ref().and_then(|carried| carried.flashed_at);
    let device = carried.map(|carried| CarriedDevice {
        id: carried.device_id,
        key: carried.key,
        name: carried.name,
    });
    (device, flashed_at.map(Time))
}

impl From<boards::Board> for ListedBoard {
    fn from(board: boards::Board) -> Self {
        let (device, flashed_at) = carried(board.carries);
        Self {
            mac: board.last.mac.to_string(),
            chip: board.last.chip.clone(),
            device,
            flashed_at,
            last_flash: board.last.into(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Mac {
    type Rejection = Problem;

    /// The `{mac}` of the path. A text that is no MAC identifies nothing.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let mac = text.ok().and_then(|Path(text)| Self::parse(&text));
        mac.ok_or_else(|| Error::NoBoard.into())
    }
}

/// Documents the MAC of a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents the parameter, which is read by Mac")]
pub(crate) struct MacParameter {
    /// The MAC of the board's chip, in upper or lower case.
    #[param(value_type = MacInPath, inline)]
    mac: String,
}

schema::parameter!(
    /// A MAC in a path.
    MacInPath,
    mac_in_request()
);

/// Which boards to list.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "documents the parameter, which is read with the others of the list"
)]
pub(crate) struct BoardParameters {
    /// Only boards whose newest flash is in this state: `started`, or `ended`.
    #[param(value_type = StateInQuery, inline, required = false)]
    state: String,
}

schema::parameter!(
    /// The state of a flash in a query.
    StateInQuery,
    state()
);

/// Lists all boards that were ever flashed.
#[utoipa::path(
    get, path = "/api/boards", tag = "boards", params(ListParameters<BoardSort>, BoardParameters),
    responses(
        (status = 200, description = "One page of the boards", body = Page<ListedBoard>),
        (status = 422, description = "A parameter breaks a rule"),
    )
)]
pub(crate) async fn list_boards(
    State(app): State<App>,
    _caller: Caller,
    mut query: Query,
) -> Result<Json<Page<ListedBoard>>, Problem> {
    let listing = listing::<BoardSort>(&mut query);
    let state = query.parse("state", |text| {
        let state = FlashState::ALL.into_iter().find(|state| state.name() == text);
        state.ok_or_else(|| "must be started or ended".to_owned())
    });
    query.finish()?;
    let boards = boards::list(&app, state, listing.clone()).await?;
    let place = |board: &boards::Board| board.place(listing.sort);
    Ok(Json(Page::new(&listing, boards, place, ListedBoard::from)))
}

/// One board: the device that it carries, and its flashes.
#[utoipa::path(
    get, path = "/api/boards/{mac}", tag = "boards", params(MacParameter),
    responses((status = 200, description = "The board", body = Board))
)]
pub(crate) async fn get_board(State(app): State<App>, _caller: Caller, mac: Mac) -> Result<Json<Board>, Problem> {
    let (board, flashes) = boards::board(&app, mac).await?;
    let (device, flashed_at) = carried(board.carries);
    Ok(Json(Board {
        mac: board.last.mac.to_string(),
        chip: board.last.chip,
        device,
        flashed_at,
        flashes: flashes.into_iter().map(Flash::from).collect(),
    }))
}

/// Lists a board's flashes, in the order in which they began, those of deleted devices too.
#[utoipa::path(
    get, path = "/api/boards/{mac}/flashes", tag = "boards", params(MacParameter, ListParameters<FlashSort>),
    responses(
        (status = 200, description = "One page of the flashes", body = Page<Flash>),
        (status = 422, description = "A parameter breaks a rule"),
    )
)]
pub(crate) async fn list_board_flashes(
    State(app): State<App>,
    _caller: Caller,
    mac: Mac,
    query: Query,
) -> Result<Json<Page<Flash>>, Problem> {
    let listing = only_listing::<FlashSort>(query)?;
    let flashes = boards::flashes_of_board(&app, mac, listing.clone()).await?;
    Ok(Json(Page::new(&listing, flashes, boards::Flash::place, Flash::from)))
}
