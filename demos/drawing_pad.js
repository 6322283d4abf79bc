// A sheet of paper to draw on with a mouse, a pen or a finger. Each stroke sends the
// picture as a data URL; one that comes from the server is laid on the paper, to be drawn on.
// Gradio's own editor needs WebGL and a choice of tools first.
const pad = element.querySelector(".pad");
const canvas = pad.querySelector("canvas");
const paper = canvas.getContext("2d", { willReadFrequently: true });
const options = pad.dataset;
const cell = Number(options.cell);
const steps = []; // What was on the paper before each change, for "Undo".
let tool = pad.querySelector("[data-tool]").dataset;
let last = null;
let waiting = null;
let sent = "";

function blank() {
  paper.fillStyle = options.paper;
  paper.fillRect(0, 0, canvas.width, canvas.height);
}

function remember() {
  steps.push(paper.getImageData(0, 0, canvas.width, canvas.height));
  if (steps.length > 30) steps.shift();
}

function position(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function draw(event) {
  if (!last) return;
  const next = position(event);
  cell ? fillCells(last, next) : drawLine(last, next);
  last = next;
}

function drawLine(start, end) {
  paper.lineWidth = tool.width;
  paper.lineCap = paper.lineJoin = "round";
  paper.strokeStyle = tool.color;
  paper.beginPath();
  paper.moveTo(...start);
  paper.lineTo(...end);
  paper.stroke();
}

// Fills the squares whose centres are near the way from one point to another.
function fillCells([startX, startY], [endX, endY]) {
  const [wayX, wayY] = [endX - startX, endY - startY];
  const length = wayX ** 2 + wayY ** 2 || 1;
  paper.fillStyle = tool.color;
  for (let y = 0; y < canvas.height; y += cell)
    for (let x = 0; x < canvas.width; x += cell) {
      const [fromX, fromY] = [x + cell / 2 - startX, y + cell / 2 - startY];
      const share = (fromX * wayX + fromY * wayY) / length;
      const near = Math.min(Math.max(share, 0), 1);
      const away = Math.hypot(fromX - near * wayX, fromY - near * wayY);
      if (away <= tool.width / 2) paper.fillRect(x, y, cell, cell);
    }
}

function lift() {
  if (!last) return;
  last = null;
  send();
}

function send() {
  clearTimeout(waiting); // The next stroke may follow at once.
  waiting = setTimeout(() => {
    props.value = sent = canvas.toDataURL("image/png");
    trigger("input");
  }, Number(options.wait));
}

function lay() {
  if (!props.value || props.value === sent) return;
  sent = props.value;
  const picture = new Image();
  picture.onload = () => {
    clearTimeout(waiting);
    fit(picture.height / picture.width);
    if (cell) steps.length = 0;
    else remember();
    paper.imageSmoothingEnabled = false;
    paper.drawImage(picture, 0, 0, canvas.width, canvas.height);
  };
  picture.src = props.value;
}

// A model may take pictures that are not square.
function fit(ratio) {
  const height = Math.round(canvas.width * ratio);
  if (height === canvas.height) return;
  canvas.height = height;
  blank();
  steps.length = 0;
}

function choose(button) {
  tool = button.dataset;
  for (const other of pad.querySelectorAll("[data-tool]"))
    other.setAttribute("aria-pressed", other === button);
}

const actions = {
  undo() {
    if (!steps.length) return;
    paper.putImageData(steps.pop(), 0, 0);
    send();
  },
  clear() {
    clearTimeout(waiting);
    if (!cell) {
      remember();
      blank();
    }
    props.value = sent = "";
    trigger("clear");
  },
};

blank();
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  clearTimeout(waiting);
  remember();
  last = position(event);
  draw(event);
});
canvas.addEventListener("pointermove", draw);
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
for (const button of pad.querySelectorAll("button"))
  button.addEventListener("click", () =>
    "tool" in button.dataset ? choose(button) : actions[button.dataset.action]()
  );
watch("value", lay);
lay(); // A value may be there before the sheet is.
