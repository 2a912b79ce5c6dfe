"""How the report looks, and the little script that draws its charts and turns the lights off."""

__all__ = ["DRAWING", "STYLE"]

_LIGHT = """
--paper:#fff;--panel:#f6f7f9;--ink:#1b2430;--soft:#566373;--line:#d5dae1;--good:#14713a;
--bad:#b3261e;
--c1:#2878b5;--c2:#e0a11b;--c3:#c8452f;color-scheme:light;
"""
_DARK = """
--paper:#12161c;--panel:#1b212a;--ink:#e8ecf1;--soft:#a3afbd;--line:#343d4a;--good:#5fd08a;
--bad:#ff8a7d;
--c1:#5aa9e6;--c2:#f0bd4c;--c3:#f0705a;color-scheme:dark;
"""

_DARK_BY_DEFAULT = "@media(prefers-color-scheme:dark){:root:not([data-theme=light]){" + _DARK + "}}"

STYLE = (
    ":root{"
    + _LIGHT
    + "}"
    + _DARK_BY_DEFAULT
    + ":root[data-theme=dark]{"
    + _DARK
    + "}"
    + """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Ubuntu,sans-serif}
main{max-width:1080px;margin:0 auto;padding:20px 16px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .4rem}
h2{font-size:1.25rem;margin:2.6rem 0 .3rem}
h3{font-size:1rem;margin:0}
p{margin:.4rem 0;max-width:72ch}
.soft{color:var(--soft)}
.bar{display:flex;justify-content:space-between;gap:12px;align-items:flex-start}
button{font:inherit;font-size:.9rem;color:var(--ink);background:var(--panel);white-space:nowrap;
border:1px solid var(--line);border-radius:6px;padding:6px 12px;cursor:pointer}
.verdict{display:inline-block;font-weight:600;padding:4px 12px;border-radius:6px;border:2px solid}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--c2)}
ul.checks{list-style:none;padding:0;margin:.6rem 0}
ul.checks>li{padding:8px 0 8px 30px;border-top:1px solid var(--line);position:relative}
ul.checks>li>b:first-child{position:absolute;left:4px}
ul.problems{margin:.2rem 0;padding-left:1.2rem;color:var(--bad);overflow-wrap:anywhere}
.lanes{display:grid;gap:12px;margin:.8rem 0}
.lane{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:12px}
.way{display:grid;grid-template-columns:minmax(0,1fr) 92px minmax(0,1.2fr) 92px minmax(0,1fr);
align-items:center}
.node{border:1px solid var(--line);background:var(--paper);border-radius:8px;padding:8px 10px}
.node small{display:block;color:var(--soft);line-height:1.35}
.arrow{position:relative;text-align:center;font-weight:600;font-variant-numeric:tabular-nums;
padding-bottom:14px;line-height:1.15}
.arrow small{display:block;font-weight:400;color:var(--soft)}
.arrow::before{content:"";position:absolute;left:8px;right:12px;bottom:6px;
border-top:2px solid var(--soft)}
.arrow::after{content:"";position:absolute;right:8px;bottom:2px;border:5px solid transparent;
border-left:7px solid var(--soft);border-right:0}
.sum{margin:.6rem 0 0;max-width:none;font-variant-numeric:tabular-nums}
.sum span{white-space:nowrap}
.scroll{overflow-x:auto;max-width:100%;margin:.6rem 0}
table{border-collapse:collapse;font-size:.92rem;min-width:min(100%,320px)}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:first-child{overflow-wrap:break-word}
th.number{white-space:normal}
.chart{width:100%;margin:.6rem 0;min-height:40px}
.chart svg{display:block;max-width:100%}
summary{cursor:pointer;color:var(--soft);padding:6px 0}
code{font:.9em ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.figures{display:flex;flex-wrap:wrap;gap:10px;margin:.8rem 0}
.figures div{background:var(--panel);border:1px solid var(--line);border-radius:10px;
padding:10px 14px;
flex:1 1 96px}
.figures b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums;line-height:1.2}
.figures span{color:var(--soft);font-size:.88rem}
#vg-tooltip-element{position:fixed;visibility:hidden;z-index:9;padding:6px 10px;border-radius:6px;
border:1px solid var(--line);background:var(--panel)!important;color:var(--ink)!important;
font-size:.85rem}
#vg-tooltip-element.visible{visibility:visible}
#vg-tooltip-element td.key{color:var(--soft)!important;text-align:right}
@media(max-width:700px){
table{font-size:.84rem}
th,td{padding-right:9px}
.way{grid-template-columns:1fr}
.arrow{text-align:left;padding:8px 0 8px 34px}
.arrow small{display:inline;margin-left:.4em}
.arrow::before{left:16px;right:auto;top:4px;bottom:8px;border-top:0;
border-left:2px solid var(--soft)}
.arrow::after{left:12px;right:auto;bottom:3px;border:5px solid transparent;
border-top:7px solid var(--soft);
border-bottom:0}
}
@media print{button{display:none}}
"""
)

DRAWING = """
(function(){
var root=document.documentElement,button=document.getElementById("theme");
function dark(){return root.dataset.theme?root.dataset.theme==="dark":
matchMedia("(prefers-color-scheme: dark)").matches}
function name(){button.textContent=dark()?"Light":"Dark"}
button.onclick=function(){root.dataset.theme=dark()?"light":"dark";name()};
name();
if(!window.vegaEmbed)return;
var specs=JSON.parse(document.getElementById("charts").textContent);
Object.keys(specs).forEach(function(id){
vegaEmbed("#"+id,specs[id],{mode:"vega-lite",renderer:"svg",actions:false,ast:true,
tooltip:{disableDefaultStyle:true}})
.catch(function(error){
document.getElementById(id).textContent="This chart could not be drawn: "+error})
});
})();
"""
"""Draws the charts; the colours are those of the page, so they change with it."""
