"""The page of the ulp measurements."""
def page(rows):
    out=[]
    for r in rows: out.append(f"{r['function']:9s} {r['route']:14s} {r['dtype']:9s} {r['what']:6s} {r['normal']:.3g} at {r['at']:.6g} sub {r['subnormal']:.3g} over {r['over']}/{r['count']} {r['tails']}")
    return "\n".join(out)
