# Plays performance.glb, which Godot has imported, and writes what moves in it as JSON.
extends SceneTree

const BONES = ["neck", "head", "leye", "reye"]


func _init():
	var head = load("res://performance.glb").instance()
	get_root().add_child(head)
	var player = head.find_node("AnimationPlayer", true, false)
	var shown = head.find_node("head", true, false)
	var skeleton = head.find_node("Skeleton", true, false)
	var names = []
	for i in range(shown.mesh.get_blend_shape_count()):
		names.append(shown.mesh.get_blend_shape_name(i))
	player.play("performance")
	var weights = []
	var rotations = []
	for frame in range(int(OS.get_environment("FRAMES"))):
		player.seek(frame / float(OS.get_environment("FPS")), true)
		var row = []
		for name in names:
			row.append(shown.get("blend_shapes/" + name))
		weights.append(row)
		var turns = []
		for bone in BONES:
			var q = Quat(skeleton.get_bone_pose(skeleton.find_bone(bone)).basis)
			turns.append([q.x, q.y, q.z, q.w])
		rotations.append(turns)
	var size = shown.mesh.get_aabb().size
	var file = File.new()
	file.open("res://seen.json", File.WRITE)
	file.store_string(to_json({
		"names": names, "weights": weights, "rotations": rotations,
		"length": player.get_animation("performance").length, "size": [size.x, size.y, size.z],
	}))
	file.close()
	quit()
