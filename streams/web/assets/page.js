// Tells when the page itself gets no word from its server, and asks for the stream again. A page that could not be shown asks
// until the page can be shown.
(() => {
  "use strict";
  if (document.getElementById("away")) {
    setInterval(() => {
      if (!document.hidden) fetch(location.href).then((answer) => { if (answer.status !== 503) location.reload(); }, () => {});
    }, 3000);
  }
  const SILENT = 3500, AGAIN = 10000;
  const stream = document.getElementById("stream"), freshness = document.getElementById("freshness");
  const announce = document.getElementById("announce");
  if (!stream) return;
  const CROSS = '<path d="M1 1 L11 11 M11 1 L1 11"/>';
  let heard = Date.now(), looked = Date.now(), asked = 0, state = "";
  const tell = (mark) => {
    const now = mark ? mark.className.replace("mark ", "") : "";
    if (state && now !== state) announce.textContent = mark.textContent.trim();
    state = now;
  };
  tell(freshness.querySelector(".mark"));
  stream.addEventListener("htmx:sse:after:message", () => { heard = Date.now(); delete document.body.dataset.heard; tell(freshness.querySelector(".mark")); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) heard = Math.max(heard, Date.now() - SILENT); });
  setInterval(() => {
    const silent = Date.now() - heard, late = Date.now() - looked;
    looked = Date.now();
    if (late > SILENT) heard = Math.max(heard, looked - SILENT + 1000); // this browser stood still: words may wait to be read
    if (document.hidden || Date.now() - heard < SILENT) return;
    const mark = freshness.querySelector(".mark"), message = freshness.querySelector(".message");
    mark.className = "mark not_live";
    document.body.dataset.heard = new Date(heard).toLocaleTimeString();
    mark.querySelector("svg").innerHTML = CROSS;
    message.textContent = `Not live: ${Math.round(silent / 1000)} s old (the page's server gives no answer)`;
    tell(mark);
    if (silent > AGAIN && Date.now() - asked > AGAIN) { asked = Date.now(); window.htmx.trigger(stream, "again"); }
  }, 1000);
})();
