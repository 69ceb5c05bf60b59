const data = JSON.parse(document.getElementById("data").textContent);
const sprite = document.getElementById("sprite"), canvas = document.getElementById("map"), context = canvas.getContext("2d");
const card = document.getElementById("card"), search = document.getElementById("search"), found = document.getElementById("found");
const count = data.ids.length, still = matchMedia("(prefers-reduced-motion: reduce)");
// Where images lie is measured in cells; `apart` goes from 0, where t-SNE has put them, to 1, each in its own cell.
const view = { x: 0, y: 0, scale: 1 }, TILE = 0.92;
let apart = 1, wanted = 1, shown = null, chosen = null, over = -1, waiting = false, sheets = [];

function place(i) {
  const [a, b] = data.free[i], [c, d] = data.cells[i];
  return [a + (c - a) * apart, b + (d - b) * apart];
}

// Half and quarter sizes of the sprite: small thumbnails drawn from the whole one would flicker.
function shrink() {
  let last = sprite, side = data.side;
  sheets = [{ image: sprite, side }];
  while (side >= 24) {
    const half = document.createElement("canvas"), ink = half.getContext("2d");
    half.width = Math.ceil((last.naturalWidth || last.width) / 2);
    half.height = Math.ceil((last.naturalHeight || last.height) / 2);
    ink.imageSmoothingQuality = "high";
    ink.drawImage(last, 0, 0, half.width, half.height);
    side /= 2;
    sheets.push({ image: half, side });
    last = half;
  }
}

function stamp(ink, i, x, y, width, pixels) {
  let sheet = sheets[0];
  for (const smaller of sheets) if (smaller.side >= pixels) sheet = smaller;
  const row = Math.floor(i / data.columns), column = i % data.columns, side = sheet.side;
  // Half a pixel is left away all round, so that no neighbour shines through.
  ink.drawImage(sheet.image, column * side + 0.5, row * side + 0.5, side - 1, side - 1, x, y, width, width);
}

function draw() {
  waiting = false;
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  if (apart !== wanted) {
    apart = still.matches ? wanted : apart + Math.sign(wanted - apart) * Math.min(0.08, Math.abs(wanted - apart));
    ask();
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const tile = TILE * view.scale, frame = Math.max(1.5, tile * 0.06);
  const one = (i, faint) => {
    const [a, b] = place(i), x = view.x + a * view.scale - tile / 2, y = view.y + b * view.scale - tile / 2;
    if (x > width || y > height || x + tile < 0 || y + tile < 0) return;
    context.globalAlpha = faint ? 0.13 : 1;
    if (data.colours[i]) {
      context.fillStyle = data.colours[i];
      context.fillRect(x, y, tile, tile);
      stamp(context, i, x + frame, y + frame, tile - 2 * frame, (tile - 2 * frame) * ratio);
    } else {
      stamp(context, i, x, y, tile, tile * ratio);
    }
  };
  for (let i = 0; i < count; i++) if (shown && !shown[i]) one(i, true);
  for (let i = 0; i < count; i++) if (!shown || shown[i]) one(i, false);
  context.globalAlpha = 1;
  if (over >= 0) {
    one(over, false);
    const [a, b] = place(over), style = getComputedStyle(document.documentElement);
    context.lineWidth = 3;
    context.strokeStyle = style.getPropertyValue("--ink");
    context.strokeRect(view.x + a * view.scale - tile / 2 - 1.5, view.y + b * view.scale - tile / 2 - 1.5, tile + 3, tile + 3);
  }
}

function ask() {
  if (!waiting) { waiting = true; requestAnimationFrame(draw); }
}

function whole() {
  const xs = data.cells.map(cell => cell[0]), ys = data.cells.map(cell => cell[1]);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const legend = document.querySelector(".legend"), below = legend ? legend.offsetHeight + 16 : 0;
  const width = canvas.clientWidth, height = canvas.clientHeight - below;
  view.scale = Math.max(1, Math.min((width - 24) / (right - left + 1), (height - 24) / (bottom - top + 1), 260));
  view.x = width / 2 - (left + right) / 2 * view.scale;
  view.y = height / 2 - (top + bottom) / 2 * view.scale;
  ask();
}

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.max(2, Math.min(600, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  ask();
}

function at(x, y) {
  const half = TILE / 2, a = (x - view.x) / view.scale, b = (y - view.y) / view.scale;
  for (const clear of [true, false]) {
    for (let i = count - 1; i >= 0; i--) {
      if (shown && shown[i] !== clear) continue;
      const [c, d] = place(i);
      if (Math.abs(a - c) < half && Math.abs(b - d) < half) return i;
    }
    if (!shown) break;
  }
  return -1;
}

function show(i, x, y) {
  if (i !== over) {
    over = i;
    ask();
    card.hidden = i < 0;
    if (i >= 0) {
      const large = card.querySelector("canvas");
      large.width = large.height = 2 * data.side;
      const ink = large.getContext("2d");
      ink.imageSmoothingQuality = "high";
      stamp(ink, i, 0, 0, large.width, Infinity);
      card.querySelector(".labels").textContent = data.labels[i].join(", ");
      card.querySelector(".caption").textContent = data.captions[i][0] ?? "";
      card.querySelector(".id").textContent = data.ids[i];
    }
  }
  if (i < 0) return;
  // An image that is seen large enough on the map needs its words alone.
  card.classList.toggle("plain", TILE * view.scale > 220);
  const room = canvas.parentElement, wide = card.offsetWidth, high = card.offsetHeight;
  card.style.left = `${x + 20 + wide > room.clientWidth ? Math.max(4, x - 20 - wide) : x + 20}px`;
  card.style.top = `${Math.max(4, Math.min(y - high / 3, room.clientHeight - high - 4))}px`;
}

// A word is found where it stands alone, in scripts that have spaces; "dog*" finds what begins with it.
function matcher(word) {
  const escaped = word.replace(/\*$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  if (/[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]/u.test(word)) return new RegExp(escaped, "iu");
  return new RegExp(`(?<![\\p{L}\\p{N}])${escaped}${word.endsWith("*") ? "" : "(?![\\p{L}\\p{N}])"}`, "iu");
}

function look() {
  const words = (search?.value ?? "").trim().split(/\s+/).filter(word => word && word !== "*").map(matcher);
  shown = null;
  if (words.length || chosen !== null) {
    shown = data.ids.map((_, i) => {
      const text = [...data.labels[i], ...data.captions[i]].join("\n");
      return (chosen === null || data.labels[i].includes(chosen)) && words.every(word => word.test(text));
    });
  }
  if (found) found.textContent = shown ? `${shown.filter(Boolean).length.toLocaleString("en")} of ${count.toLocaleString("en")}` : "";
  ask();
}

// One pointer moves the map, two change its size.
const held = new Map();
let moved = 0;
const point = event => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  held.set(event.pointerId, point(event));
  if (held.size === 1) moved = 0;
  canvas.classList.add("held");
});
canvas.addEventListener("pointermove", event => {
  const [x, y] = point(event), before = held.get(event.pointerId);
  if (!before) {
    if (event.pointerType === "mouse") show(at(x, y), x, y);
    return;
  }
  const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
  moved += Math.hypot(x - before[0], y - before[1]);
  if (other) {
    const far = p => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    const middle = p => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
    const [a, b] = [middle(before), middle([x, y])];
    view.x += b[0] - a[0];
    view.y += b[1] - a[1];
    zoom(far([x, y]) / far(before), ...b);
  } else {
    view.x += x - before[0];
    view.y += y - before[1];
  }
  held.set(event.pointerId, [x, y]);
  if (moved > 6) show(-1);
  ask();
});
for (const ending of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(ending, event => {
    held.delete(event.pointerId);
    canvas.classList.toggle("held", held.size > 0);
    const [x, y] = point(event);
    if (ending === "pointerup" && moved <= 6) show(at(x, y), x, y);
  });
}
canvas.addEventListener("pointerleave", event => { if (event.pointerType === "mouse" && !held.size) show(-1); });
canvas.addEventListener("dblclick", event => zoom(2, ...point(event)));
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const step = event.deltaY * (event.deltaMode === 1 ? 20 : 1) * (event.ctrlKey ? 4 : 1);
  zoom(Math.exp(-Math.max(-240, Math.min(240, step)) / 400), ...point(event));
  show(-1);
}, { passive: false });
canvas.addEventListener("keydown", event => {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (event.key in moves) {
    view.x += moves[event.key][0];
    view.y += moves[event.key][1];
    ask();
  } else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") whole();
  else return;
  event.preventDefault();
});
document.getElementById("closer").addEventListener("click", () => zoom(1.5));
document.getElementById("farther").addEventListener("click", () => zoom(1 / 1.5));
document.getElementById("whole").addEventListener("click", whole);
document.getElementById("spread").addEventListener("click", event => {
  wanted = 1 - wanted;
  event.currentTarget.setAttribute("aria-pressed", String(wanted === 1));
  show(-1);
  ask();
});
search?.addEventListener("input", look);
for (const button of document.querySelectorAll(".legend button")) {
  button.addEventListener("click", () => {
    chosen = chosen === button.dataset.label ? null : button.dataset.label;
    for (const each of document.querySelectorAll(".legend button")) each.setAttribute("aria-pressed", String(each.dataset.label === chosen));
    look();
  });
}
// Not `decode()`: browsers put off decoding what is not on the page, some of them for ever. The image may be there
// already, or load after this line; where it is damaged, that is said.
let started = false;
function start() {
  document.getElementById("broken").hidden = sprite.naturalWidth > 0;
  if (started || !sprite.naturalWidth) return;
  started = true;
  shrink();
  whole();
  draw();
  new ResizeObserver(whole).observe(canvas);
}
for (const ending of ["load", "error"]) sprite.addEventListener(ending, start);
if (sprite.complete) start();
