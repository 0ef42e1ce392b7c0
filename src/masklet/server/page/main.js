// The page, put together: state in the middle, actions that change it, parts that show it.

import { appearing, plain } from "./act/appearing.js";
import { objects } from "./act/objects.js";
import { opening } from "./act/opening.js";
import { playing } from "./act/playing.js";
import { prompting } from "./act/prompting.js";
import { loadHabits, rememberHabits } from "./act/remember.js";
import { createSync } from "./act/sync.js";
import { tracking } from "./act/tracking.js";
import { createStore } from "./core/store.js";
import { createOutbox } from "./net/outbox.js";
import { annotating } from "./project/annotating.js";
import { createDesk } from "./project/desk.js";
import { projects } from "./project/going.js";
import { mountProject } from "./project/page.js";
import { mountReview } from "./project/screen.js";
import { mountStrip } from "./project/strip.js";
import { mountStage } from "./stage/stage.js";
import { mountBar } from "./ui/bar.js";
import { mountCandidates } from "./ui/candidates.js";
import { makeCommands } from "./ui/commands.js";
import { mountExport } from "./ui/export.js";
import { mountFiles } from "./ui/files.js";
import { mountHelp } from "./ui/help.js";
import { mountHome } from "./ui/home.js";
import { mountKeys } from "./ui/keys.js";
import { mountOverlay } from "./ui/overlay.js";
import { mountPanel } from "./ui/panel.js";
import { mountRail } from "./ui/rail.js";
import { saying } from "./ui/saying.js";
import { mountTheme } from "./ui/theme.js";
import { mountTimeline } from "./ui/timeline.js";
import { mountTips } from "./ui/tips.js";

const store = createStore({
  phase: "starting", info: null, problem: null, opening: null, sessions: null, gallery: null,
  video: null, session: null, times: null, frame: 0, showing: null, frameProblem: null, playing: false, moving: false,
  tool: "add", brush: 24, selected: null, hover: null, wanted: false, candidates: null, pending: [], dragged: null,
  cross: null, box: null, connected: true, waiting: 0, lost: false, run: null, follow: false, trackedFrom: null,
  view: null, fits: true, ...plain, habits: loadHabits(), result: false, tab: "objects",
  projects: null, project: null, person: null, notice: null, sitting: null,
  doubts: new Map(), mark: { start: null, stop: null }, exports: [], theme: "dark",
});

const app = { store, act: {}, book: null, frames: null, tool: null, spaceHeld: false, spaceUsed: false, redraw() {}, running: () => app.act.isGoing() };

Object.assign(app.act, saying(app));
app.outbox = createOutbox({
  onChange: (patch) => store.set(patch),
  onError: (error) => app.act.complain(error),
});
app.sync = createSync(app);
Object.assign(app.act, appearing(app), objects(app), prompting(app), tracking(app), playing(app), opening(app), projects(app), annotating(app));
app.act.escape = () => {
  const { candidates, selected, playing: plays } = store.state;
  if (plays) app.act.pausePlay();
  else if (app.act.isGoing()) app.act.cancelRun();
  else if (candidates) app.act.settle();
  else if (selected !== null && !store.state.session?.sitting) app.act.select(null);
};
app.commands = makeCommands(app);
app.desk = createDesk(app);

for (const mount of [mountFiles, mountHelp, mountExport, mountHome, mountProject, mountReview, mountStrip, mountBar, mountRail, mountStage, mountOverlay, mountCandidates, mountPanel, mountTimeline, mountKeys, mountTheme]) {
  mount(app);
}
mountTips();
rememberHabits(store);
app.act.begin();
