// The values under the pointer, written below each chart; without it the charts show their last values.
for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg[role=img]"), reading = chart.querySelector(".reading");
  const pointer = chart.querySelector(".pointer"), resting = reading.innerHTML;
  const lines = [...chart.querySelectorAll(".line")].map(line => ({
    name: line.dataset.name, style: line.classList[1], points: JSON.parse(line.dataset.points),
  }));
  const unit = chart.querySelector(".axis text:last-of-type").textContent;
  svg.addEventListener("pointermove", event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
    const nearest = points => points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a);
    const first = nearest(lines[0].points);
    pointer.setAttribute("d", `M${first[0]},12V182`);
    reading.replaceChildren(`${unit} ${first[2]}: `, ...lines.map(line => {
      const key = document.createElement("span"), value = document.createElement("b");
      key.className = `key ${line.style}`;
      value.textContent = nearest(line.points)[3];
      key.append(lines.length > 1 ? `${line.name} ` : "", value);
      return key;
    }));
  });
  svg.addEventListener("pointerleave", () => { pointer.setAttribute("d", ""); reading.innerHTML = resting; });
}
