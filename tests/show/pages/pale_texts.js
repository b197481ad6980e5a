// Of all visible text that is too pale: the text, its contrast with what is behind it, and where it stands.
asked => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parts = colour => { // red, green, blue and opacity of any CSS colour
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (front, back) => [0, 1, 2].map(i => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const luminance = colour => [.2126, .7152, .0722].reduce((sum, weight, i) => {
    const part = colour[i] / 255;
    return sum + weight * (part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
  }, 0);
  const behind = one => {
    const own = one ? parts(getComputedStyle(one).backgroundColor) : [255, 255, 255, 1];
    return own[3] === 1 || !one ? own : over(own, behind(one.parentElement));
  };
  const pale = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), one = walker.currentNode.parentElement, look = getComputedStyle(one);
    if (!text || !one.checkVisibility({ visibilityProperty: true }) || one.closest("style, script, title, select")) continue;
    const letters = parts(one.closest("svg") ? look.fill : look.color);
    letters[3] *= one.closest("svg") ? Number(look.fillOpacity) * Number(look.opacity) : Number(look.opacity);
    const back = behind(one), [low, high] = [luminance(over(letters, back)), luminance(back)].sort((a, b) => a - b);
    const contrast = (high + .05) / (low + .05);
    if (contrast < asked) pale.push(`${text.slice(0, 60)}: ${contrast.toFixed(2)} in ${one.tagName}`);
  }
  return [...new Set(pale)];
}
