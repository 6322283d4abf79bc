// A sheet of paper to draw a digit on: pen, finger or mouse. Each stroke sends the
// picture as a data URL. Gradio's own editor needs WebGL and a choice of tools first.
const canvas = element.querySelector("canvas");
const pen = canvas.getContext("2d");
let last = null;
let waiting = null;

function clear() {
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

function position(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function draw(event) {
  if (!last) return;
  const next = position(event);
  pen.lineWidth = 22;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = "black";
  pen.beginPath();
  pen.moveTo(...last);
  pen.lineTo(...next);
  pen.stroke();
  last = next;
}

function send() {
  if (!last) return;
  last = null;
  clearTimeout(waiting); // A 4 or a 5 has two strokes: wait for the second.
  waiting = setTimeout(() => {
    props.value = canvas.toDataURL("image/png");
    trigger("input");
  }, 400);
}

clear();
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  last = position(event);
  draw(event);
});
canvas.addEventListener("pointermove", draw);
canvas.addEventListener("pointerup", send);
canvas.addEventListener("pointercancel", send);
element.querySelector("button").addEventListener("click", () => {
  clearTimeout(waiting);
  clear();
});
