// Files from a person: dropped on the page, pasted, or chosen.

const WORK = /\.masklet$/i;

export function mountFiles(app) {
  const { store, act } = app;
  const input = document.getElementById("file");
  const drop = document.getElementById("drop");
  let then = null;
  let depth = 0;

  function pick(accept, use) {
    input.accept = accept;
    then = use;
    input.value = "";
    input.click();
  }
  input.addEventListener("change", () => input.files[0] && then?.(input.files[0]));
  act.pickFile = () => pick("video/*,image/*,.mkv,.masklet", act.openFile);
  act.pickMask = () => pick("image/png,image/*", (file) => act.importMasks(file));

  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!carriesFile(event)) return;
    depth++;
    drop.hidden = false;
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) drop.hidden = true;
  });
  addEventListener("dragover", (event) => carriesFile(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    depth = 0;
    drop.hidden = true;
    take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => event.clipboardData?.files[0] && take(event.clipboardData.files[0]));

  /** Dropped on open work, a picture may be masks or something new: the person says which. */
  function take(file) {
    if (!file) return;
    if (store.state.phase !== "open" || WORK.test(file.name) || !file.type.startsWith("image/")) return act.openFile(file);
    act.say(`${file.name} is a picture.`, "", { label: "Take it as masks of this frame", run: () => act.importMasks(file) });
    act.say("Or is it something new?", "", { label: "Open it", run: () => act.openFile(file) });
  }
}
