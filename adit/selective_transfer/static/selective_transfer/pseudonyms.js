// Random pseudonyms that people can read out: three syllables and four digits.
(() => {
  const CONSONANTS = "BDFGKLMNPRSTVZ";
  const VOWELS = "AEIOU";

  function pick(letters) {
    const numbers = new Uint32Array(1);
    const limit = Math.floor(2 ** 32 / letters.length) * letters.length;
    do crypto.getRandomValues(numbers);
    while (numbers[0] >= limit);
    return letters[numbers[0] % letters.length];
  }

  function generate() {
    let text = "";
    for (let i = 0; i < 3; i += 1) text += pick(CONSONANTS) + pick(VOWELS);
    text += "-";
    for (let i = 0; i < 4; i += 1) text += pick("0123456789");
    return text;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-generate]");
    if (!button) return;
    const input = document.getElementById(button.dataset.generate);
    input.value = generate();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
