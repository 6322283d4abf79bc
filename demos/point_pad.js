// A plane on which a click, or a line that is drawn, leaves points. After each it sends
// all of them, JSON of pairs from -limit to limit; points from the server are shown.
const pad = element.querySelector(".pad");
const canvas = pad.querySelector("canvas");
const plane = canvas.getContext("2d");
const { limit, most } = pad.dataset;
const strokes = []; // Of points each, for "Undo".
let drawing = false;
let sent = "";

function show() {
  plane.clearRect(0, 0, canvas.width, canvas.height);
  plane.fillStyle = pad.dataset.color;
  for (const [x, y] of strokes.flat()) {
    plane.beginPath();
    plane.arc(
      ((x / limit + 1) * canvas.width) / 2,
      ((1 - y / limit) * canvas.height) / 2,
      canvas.width / 160,
      0,
      2 * Math.PI
    );
    plane.fill();
  }
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  const right = (event.clientX - box.left) / box.width;
  const down = (event.clientY - box.top) / box.height;
  return [right, 1 - down].map((part) => Number((limit * (2 * part - 1)).toFixed(3)));
}

function add(event) {
  const next = place(event);
  const last = strokes.at(-1).at(-1);
  const far = !last || Math.hypot(next[0] - last[0], next[1] - last[1]) > limit / 25;
  const inside = Math.max(...next.map(Math.abs)) <= limit;
  if (!far || !inside || strokes.flat().length >= most) return;
  strokes.at(-1).push(next);
  show();
}

function send() {
  show();
  props.value = sent = JSON.stringify(strokes.flat());
  trigger("input");
}

function lift() {
  if (!drawing) return;
  drawing = false;
  send();
}

function lay() {
  if (!props.value || props.value === sent) return;
  sent = props.value;
  strokes.splice(0, strokes.length, JSON.parse(sent));
  show();
}

const actions = {
  undo() {
    strokes.pop();
    send();
  },
  clear() {
    strokes.length = 0;
    send();
  },
};

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  drawing = true;
  strokes.push([]);
  add(event);
});
canvas.addEventListener("pointermove", (event) => drawing && add(event));
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
for (const button of pad.querySelectorAll("button"))
  button.addEventListener("click", () => actions[button.dataset.action]());
watch("value", lay);
lay();
