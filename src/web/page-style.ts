/** The look of the page: it follows the reader's light or dark, and folds on a phone. */
export const pageStyle = `
:root{color-scheme:light dark;--back:#fff;--card:#f7f8fa;--line:#8883;--text:#1c2127;--soft:#5c6670;
--blue:#0b63c4;--green:#1a7f37;--amber:#8f5700;--red:#c62828}
@media(prefers-color-scheme:dark){:root{--back:#14171a;--card:#1b1f23;--text:#e4e7ea;--soft:#9aa4ae;
--blue:#6cb6ff;--green:#57c26d;--amber:#e5a63a;--red:#ff7b72}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{background:var(--back);color:var(--text)}
body{font:15px/1.45 system-ui,sans-serif;max-width:76rem;margin:0 auto;padding:1.25rem 1.25rem 3rem}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .75rem;padding-bottom:.75rem;border-bottom:1px solid var(--line)}
h1{font-size:1.5rem;margin:0;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{font-size:.8rem;font-weight:600;color:var(--soft);margin:1.5rem 0 .5rem;text-transform:uppercase;letter-spacing:.06em}
p{margin:.5rem 0}
.soft{color:var(--soft)}
.version{font-size:1.5rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
#candidate:empty{display:none}
#candidate{font-size:1.1rem;color:var(--blue);overflow-wrap:anywhere}
.badge{font-weight:650;font-size:.8rem;letter-spacing:.04em;padding:.15rem .6rem;border-radius:1rem;color:var(--tone);
border:1px solid;background:color-mix(in srgb,var(--tone) 12%,transparent)}
.badge,.tone{--tone:var(--soft)}
[data-state=OK],[data-tone=good]{--tone:var(--green)}
[data-state=FREEZE]{--tone:var(--blue)}
[data-state=ROLLBACK],[data-state=DIFF]{--tone:var(--amber)}
[data-state=BROKEN],[data-tone=bad]{--tone:var(--red)}
#link{margin-left:auto;font-size:.875rem;color:var(--soft)}
#link::before{content:'';display:inline-block;width:.55rem;height:.55rem;margin-right:.4rem;border-radius:50%;background:var(--green)}
#link[data-on=no]{color:var(--red);font-weight:600}
#link[data-on=no]::before{background:var(--red)}
main[data-on=no]>:not(#log-section){opacity:.55}
#reason{margin:.75rem 0 0;padding:.4rem .75rem;border-left:3px solid var(--tone);background:var(--card);overflow-wrap:anywhere}
ol.steps{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.35rem}
.steps li{flex:1 1 auto;text-align:center;white-space:nowrap;font-size:.85rem;padding:.25rem .6rem;border-radius:.4rem;
border:1px solid var(--line);color:var(--soft)}
.steps li.passed{color:var(--text);background:color-mix(in srgb,var(--green) 14%,transparent);
border-color:color-mix(in srgb,var(--green) 45%,transparent)}
.steps li.passed::before{content:'✓ ';color:var(--green)}
.steps li.here{font-weight:650;color:var(--back);background:var(--here);border-color:var(--here);--here:var(--blue)}
.steps li.here[data-phase=committed]{--here:var(--green)}
.steps li.here[data-phase=idle]{--here:var(--soft)}
.steps li.turned{background:none;border-color:var(--amber)}
.steps li.turned::before{content:'↩ ';color:var(--amber)}
.steps+.steps{margin-top:.35rem}
.steps.bad{justify-content:flex-end}
.steps.bad li{flex:0 1 auto}
.steps.bad li.here{--here:var(--amber)}
.steps.bad li.passed::before{content:''}
.steps.bad li.passed{background:none;border-color:var(--amber)}
.steps.bad li.here[data-phase=stuck]{--here:var(--red)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr));gap:.6rem 1.25rem;margin:0}
dl div{min-width:0}
dt{font-size:.8rem;color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.buttons{display:flex;flex-wrap:wrap;gap:.5rem}
button,input{font:inherit;color:inherit;border:1px solid var(--line);border-radius:.4rem;background:var(--card);padding:.35rem .9rem;min-height:2.25rem}
button{cursor:pointer}
button:hover{border-color:var(--soft)}
button[aria-disabled=true]{opacity:.5;cursor:progress}
button.main{background:var(--blue);border-color:var(--blue);color:var(--back)}
button.risky{border-color:var(--amber);color:var(--amber)}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
#result{flex:1 1 16rem;align-self:center;margin:0;color:var(--tone);overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:500}
td:last-child{white-space:normal;min-width:14rem;overflow-wrap:anywhere}
.number{text-align:right}
.lost{color:var(--red);font-weight:650}
.log-head{display:flex;align-items:baseline;justify-content:space-between;gap:1rem}
#log{height:24rem;overflow:auto;margin:0;padding:.5rem .75rem;border:1px solid var(--line);border-radius:.4rem;background:var(--card);
font:12.5px/1.5 ui-monospace,monospace;overflow-anchor:none}
#log div{display:flex;gap:.75rem;padding-left:.5rem;border-left:2px solid transparent}
#log time{color:var(--soft);flex:none}
#log b{flex:none;width:3.4rem;font-weight:400;color:var(--soft)}
#log span{white-space:pre-wrap;overflow-wrap:anywhere;min-width:0;unicode-bidi:isolate}
#log .stderr{border-color:var(--amber)}
#log .stderr b{color:var(--amber)}
#log .gupper{border-color:var(--blue)}
#log .gupper b,#log .gupper span{color:var(--blue)}
#log .gap{color:var(--soft);font-style:italic}
#newest{min-height:0;padding:.1rem .6rem;font-size:.8rem}
dialog{border:1px solid var(--line);border-radius:.6rem;background:var(--back);color:var(--text);padding:1.25rem;width:min(26rem,calc(100vw - 2rem))}
dialog::backdrop{background:#0007}
dialog h2{margin-top:0;font-size:1.1rem;color:var(--text);text-transform:none;letter-spacing:0}
label{display:block;margin:.75rem 0 .25rem;font-size:.875rem}
input{width:100%}
dialog .buttons{justify-content:flex-end;margin-top:1rem}
#door{max-width:26rem;margin:12vh auto 0}
#door button{margin-top:.75rem}
#why{color:var(--red);min-height:1.45em}
@media(max-width:40rem){body{padding:.9rem .75rem 2rem}
dl{grid-template-columns:1fr 1fr}
.buttons button{flex:1 1 auto}
#log{height:20rem;padding:.4rem}
#log div{display:block}
#log b{margin:0 .5rem}
thead{display:none}
tr{display:flex;flex-wrap:wrap;gap:.1rem .75rem;padding:.4rem 0;border-bottom:1px solid var(--line)}
td{padding:0;border:0}
td:empty{display:none}
td[data-name]::before{content:attr(data-name) ' ';color:var(--soft)}
td:last-child{flex:1 0 100%}
.steps li{flex:0 1 auto;padding:.15rem .45rem;font-size:.8rem}
.steps.bad{justify-content:flex-start}}
`
